// Sending radiographs: files, folders and archives, what their headers say, what became of each.
// Without this script the form sends everything in one request.
import { makeFields } from "./fields.js";
import { chosen, dropped } from "./folders.js";
import { Line, makeSummary } from "./lines.js";
import { Transfer, inParallel, isArchive } from "./transfer.js";

const AT_ONCE = 3;
// In a folder, files for which nobody has to do anything.
const PASSED_OVER = new Set(["not_dicom", "dicom_directory"]);
const MISMATCH = "patient_mismatch";
const DONE = new Set(["accepted", "duplicate", "skipped"]);

const form = document.getElementById("new-reading");
const input = document.getElementById("id_files");
const folderInput = document.getElementById("id_folder");
const list = document.getElementById("file-list");
const status = document.getElementById("upload-status");
const send = document.getElementById("send");
const toPatient = document.getElementById("to-patient");
const dropzone = form.querySelector("[data-dropzone]");
const texts = document.getElementById("texts").dataset;
const csrf = form.elements.csrfmiddlewaretoken.value;

// One entry for each chosen file: {file, path, inFolder, line, header, state, error, results}.
let entries = [];
let sending = false;
const fields = makeFields(form, texts, () => entries);
const updateSummary = makeSummary(document.getElementById("summary"), () => entries.flatMap((entry) => (
  entry.results?.map(({ name, state, error }) => ({ name: `${entry.path}: ${name}`, state, error }))
  ?? (entry.state ? [{ name: entry.path, state: entry.state, error: entry.error }] : []))));

// --- The list of files ---------------------------------------------------------------
const key = ({ file, path }) => `${path}\n${file.size}\n${file.lastModified}`;

const add = (found) => {
  const known = new Set(entries.map(key));
  const added = [];
  const lines = document.createDocumentFragment();
  for (const { file, path, inFolder } of found) {
    if (known.has(key({ file, path }))) continue;
    known.add(key({ file, path }));
    const entry = { file, path, inFolder, header: null, state: "" };
    entry.line = new Line(path, file.size, texts, () => {
      if (sending) return;
      entries = entries.filter((other) => other !== entry);
      entry.line.element.remove();
      showChosen();
      fields.useHeaders();
      input.focus();
    });
    lines.append(entry.line.element);
    added.push(entry);
  }
  entries.push(...added);
  list.append(lines);
  showChosen();
  fields.setErrors("files", []);
  void inParallel(added, AT_ONCE, inspect);
};

// The browser says beside its button how many files are chosen: those of the list.
const showChosen = () => {
  const all = new DataTransfer();
  for (const { file } of entries) all.items.add(file);
  input.files = all.files;
  folderInput.value = "";
};

input.addEventListener("change", () => add(chosen(input.files)));
folderInput.addEventListener("change", () => add(chosen(folderInput.files)));
for (const name of ["dragenter", "dragover"]) {
  dropzone.addEventListener(name, (event) => {
    event.preventDefault();
    dropzone.classList.add("is-over");
  });
}
for (const name of ["dragleave", "drop"]) {
  dropzone.addEventListener(name, () => dropzone.classList.remove("is-over"));
}
dropzone.addEventListener("drop", (event) => {
  event.preventDefault();
  if (sending) return;
  dropped(event.dataTransfer).then(add, () => fields.setErrors("files", [texts.unreadable]));
});
// A file dropped beside the zone must not replace the page.
for (const name of ["dragover", "drop"]) {
  window.addEventListener(name, (event) => event.preventDefault());
}

form.addEventListener("input", (event) => {
  delete event.target.dataset.prefilled;
});
form.addEventListener("change", (event) => {
  if (event.target !== input && event.target !== folderInput) fields.useHeaders();
});

// --- What the headers say --------------------------------------------------------------
const inspect = async (entry) => {
  if (await isArchive(entry.file)) return; // Looked into when it is sent.
  const body = new FormData();
  body.append("head", entry.file.slice(0, Number(form.dataset.headerBytes)), "head");
  try {
    const response = await fetch(form.dataset.inspectUrl, {
      method: "POST", body, headers: { "X-CSRFToken": csrf, Accept: "application/json" },
    });
    const answer = await response.json();
    if (entry.state || !entries.includes(entry)) return;
    if (answer.error) {
      if (entry.inFolder && PASSED_OVER.has(answer.error.code)) end(entry, "skipped", answer);
      else entry.line.early(answer.error.sentence);
      return;
    }
    entry.header = answer;
  } catch {
    return; // Only a help: the server looks at the whole file when it is sent.
  }
  entry.line.facts(entry.header);
  fields.useHeaders();
};

// --- Sending -----------------------------------------------------------------------------
const end = (entry, state, result) => {
  entry.state = state;
  entry.error = result.error;
  entry.url = result.url;
  entry.line.ended(state, result, entries.length > 1);
  updateSummary();
};

const found = (entry, answer, results) => {
  if (answer.patient) fields.keepPatient(answer.patient);
  entry.results = results;
  entry.line.parts(results);
  updateSummary();
};

// Send one file; false when the form itself was refused and nothing more should be sent.
const sendOne = async (entry) => {
  if (DONE.has(entry.state)) return true;
  const { line } = entry;
  entry.state = "";
  entry.error = null;
  entry.results = null;
  line.part("parts").replaceChildren();
  line.moving(texts.uploading, 0);
  const transfer = new Transfer(entry.file, {
    formUrl: location.pathname,
    uploadsUrl: form.dataset.uploadsUrl,
    pieceBytes: Number(form.dataset.pieceBytes),
    csrf,
    fields: () => fields.values(entry),
    progress: (share) => line.moving(texts.uploading, share),
    checking: () => line.moving(texts.checking),
    lost: () => {
      line.moving("", null);
      line.early(texts.waiting);
      status.textContent = texts.waiting;
    },
    found: (answer, results) => found(entry, answer, results),
  });
  const answer = await transfer.send();
  if (answer?.errors) {
    line.waiting("");
    fields.showErrors(answer.errors);
    return false;
  }
  if (!answer?.results) {
    line.problem(answer?.lost ? texts.lost : answer?.unreadable ? texts.unreadable : texts.answer);
    return true;
  }
  if (answer.patient) fields.keepPatient(answer.patient);
  const [result] = answer.results;
  if (result?.name) {
    found(entry, answer, answer.results);
    line.archiveEnded(answer.results);
    if (!answer.results.some(({ state }) => state === "refused")) entry.state = "accepted";
    return true;
  }
  const passedOver = entry.inFolder && PASSED_OVER.has(result.error?.code);
  if (result.error) end(entry, passedOver ? "skipped" : "refused", result);
  else end(entry, result.created ? "accepted" : "duplicate", result);
  return true;
};

const sendAll = async () => {
  const waiting = entries.filter(({ state }) => !DONE.has(state));
  if (!waiting.length) {
    fields.setErrors("files", [texts.noFiles]);
    input.focus();
    return;
  }
  fields.showErrors({});
  status.textContent = texts.uploading;
  for (const { line } of waiting) line.waiting(texts.queued);
  // A new patient comes to be with the first file that is accepted; all others are theirs.
  let refused = false;
  while (waiting.length && fields.patient()?.value === "new" && !refused) {
    refused = !await sendOne(waiting.shift());
  }
  if (!refused) {
    await inParallel(waiting, AT_ONCE, async (entry) => {
      refused = !await sendOne(entry) || refused;
      return !refused;
    });
  }
  if (refused) {
    for (const { line, state } of entries) if (!state) line.waiting("");
    status.textContent = "";
    return;
  }
  if (entries.length === 1 && entries[0].url) {
    location.assign(entries[0].url);
    return;
  }
  const all = entries.every(({ state }) => DONE.has(state));
  for (const entry of entries) {
    entry.disagreed = [entry, ...(entry.results ?? [])].some(({ error }) => error?.code === MISMATCH);
  }
  if (entries.some(({ disagreed }) => disagreed)) fields.askToConfirm(true);
  updateSummary();
  status.textContent = all ? texts.done : texts.someRefused;
  toPatient.hidden = !form.querySelector(".file-link:not([hidden])");
};

form.addEventListener("submit", async (event) => {
  if (event.submitter?.name === "action") return; // A search, handled elsewhere.
  event.preventDefault();
  if (sending) return;
  sending = true;
  send.disabled = true;
  form.setAttribute("aria-busy", "true");
  try {
    await sendAll();
  } finally {
    sending = false;
    send.disabled = entries.length > 0 && entries.every(({ state }) => DONE.has(state));
    form.removeAttribute("aria-busy");
  }
});

// Enter in the search field searches; it never sends the form.
document.getElementById("patient-search")?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  window.htmx.trigger(event.target, "search-again");
});
