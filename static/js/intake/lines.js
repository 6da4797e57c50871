// A line for each file with what becomes of it, and the summary over all of them.

// More readings than this are not asked for one by one: the worklist shows them.
const MAX_LIVE = 50;

const template = (id) => document.getElementById(id).content.cloneNode(true).firstElementChild;
const part = (line, name) => line.querySelector(`.file-${name}`);
const show = (element, text) => {
  element.textContent = text;
  element.hidden = !text;
};

const size = (bytes) => {
  const unit = bytes < 1e6 ? "kilobyte" : bytes < 1e9 ? "megabyte" : "gigabyte";
  const value = bytes / { kilobyte: 1e3, megabyte: 1e6, gigabyte: 1e9 }[unit];
  return new Intl.NumberFormat(document.documentElement.lang, {
    style: "unit", unit, maximumFractionDigits: 1,
  }).format(value);
};

const setWarnings = (line, sentences) => {
  part(line, "warnings").replaceChildren(...sentences.map((sentence) => {
    const item = document.createElement("li");
    item.textContent = sentence;
    return item;
  }));
};

export class Line {
  constructor(path, bytes, texts, onRemove) {
    this.texts = texts;
    this.element = template("file-line");
    this.part("name").textContent = path;
    this.part("name-hidden").textContent = ` ${path}`;
    this.part("size").textContent = size(bytes);
    this.part("remove").addEventListener("click", onRemove);
  }

  part(name) {
    return part(this.element, name);
  }

  facts(header) {
    show(this.part("facts"), header.facts.map(([name, text]) => `${name} ${text}`).join(" · "));
    setWarnings(this.element, header.warnings);
  }

  // `text` in the line while the file is on its way; `share` between 0 and 1, or null.
  moving(text, share = null) {
    this.element.dataset.state = "sending";
    const progress = this.part("progress");
    progress.hidden = share === null;
    if (share !== null) progress.value = share;
    show(this.part("state"), text);
    show(this.part("error"), "");
  }

  // No answer: it may be sent again.
  problem(sentence) {
    this.part("progress").hidden = true;
    show(this.part("state"), "");
    show(this.part("error"), sentence);
    this.element.dataset.state = "refused";
  }

  waiting(text) {
    this.part("progress").hidden = true;
    show(this.part("state"), text);
    show(this.part("error"), "");
    delete this.element.dataset.state;
  }

  early(sentence) {
    show(this.part("error"), sentence);
  }

  ended(state, { error, url, result_url: resultUrl, warnings }, live) {
    this.part("progress").hidden = true;
    this.element.dataset.state = state;
    show(this.part("error"), state === "refused" ? error.sentence : "");
    const words = { accepted: live ? "" : this.texts.accepted, duplicate: this.texts.known, refused: "" };
    show(this.part("state"), words[state] ?? `${this.texts.skipped} ${error.sentence}`);
    if (state !== "refused") this.part("remove")?.remove();
    if (warnings) setWarnings(this.element, warnings);
    if (!url) return;
    const link = this.part("link");
    link.href = url;
    link.hidden = false;
    if (live) this.live(resultUrl);
  }

  // The reading in a line, which asks by itself until it is ready.
  live(url) {
    if (document.querySelectorAll(".file-results > *").length >= MAX_LIVE) {
      show(this.part("state"), this.part("state").textContent || this.texts.accepted);
      return;
    }
    const line = document.createElement("div");
    line.textContent = this.texts.accepted;
    for (const [name, value] of [["get", url], ["trigger", "load"], ["swap", "outerHTML"]]) {
      line.setAttribute(`hx-${name}`, value);
    }
    this.part("results").replaceChildren(line);
    window.htmx.process(line);
  }

  // What became of the files in an archive, each in a line; `results` so far.
  parts(results) {
    const list = this.part("parts");
    for (const result of results.slice(list.children.length)) {
      const line = template("file-part");
      line.dataset.state = result.state;
      part(line, "name").textContent = result.name;
      part(line, "state").textContent = { accepted: this.texts.accepted, duplicate: this.texts.known }[result.state]
        ?? `${this.texts[result.state]} ${result.error.sentence}`;
      if (result.url) {
        part(line, "name-hidden").textContent = ` ${result.name}`;
        const link = part(line, "link");
        link.href = result.url;
        link.hidden = false;
      }
      setWarnings(line, result.warnings ?? []);
      list.append(line);
    }
  }

  archiveEnded(results) {
    this.parts(results);
    const refused = results.some(({ state }) => state === "refused");
    this.part("progress").hidden = true;
    show(this.part("state"), "");
    this.element.dataset.state = refused ? "refused" : "accepted";
    if (!refused) this.part("remove")?.remove();
  }
}

// `outcomes()`: [{name, state, error}] of all files so far.
export const makeSummary = (box, outcomes) => {
  const link = box.querySelector("[data-problems]");
  const update = () => {
    const all = outcomes();
    box.hidden = false;
    for (const count of box.querySelectorAll("[data-count]")) {
      count.querySelector("dd").textContent = all
        .filter(({ state }) => state === count.dataset.count).length;
    }
    link.hidden = !all.some(({ error }) => error);
  };
  // A cell that a spreadsheet would take for a formula is made a text.
  const cell = (text) => `"${String(text).replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
  link.addEventListener("click", () => {
    const rows = outcomes().filter(({ error }) => error)
      .map(({ name, state, error }) => [name, state, error.code, error.sentence]);
    const lines = [link.dataset.head.split("|"), ...rows].map((row) => row.map(cell).join(","));
    const file = new Blob([`\ufeff${lines.join("\r\n")}\r\n`], { type: "text/csv" });
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(file);
    anchor.download = link.dataset.file;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
  });
  return update;
};
