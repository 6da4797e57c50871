// The files in what was dropped or chosen, with their path below the folder.

// Folders in the order of a file manager; single files in that of the choice.
const collator = new Intl.Collator(undefined, { numeric: true });
const inOrder = (found) => (found.some(({ inFolder }) => inFolder)
  ? found.sort((a, b) => collator.compare(a.path, b.path)) : found);

const readAll = async (reader) => {
  const all = [];
  for (;;) { // A browser gives a hundred at a time.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
};

const walk = async (entry, found) => {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, path: entry.fullPath.replace(/^\//, ""), inFolder: entry.fullPath.lastIndexOf("/") > 0 });
    return;
  }
  for (const inner of await readAll(entry.createReader())) await walk(inner, found);
};

// To be called in the event itself: afterwards the browser has forgotten what was dropped.
export const dropped = (data) => {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...data.files];
  return (async () => {
    if (!entries.length) return chosen(files);
    const found = [];
    for (const entry of entries) await walk(entry, found);
    return inOrder(found);
  })();
};

export const chosen = (files) => inOrder([...files].map((file) => ({
  file, path: file.webkitRelativePath || file.name, inFolder: Boolean(file.webkitRelativePath),
})));
