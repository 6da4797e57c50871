// The way of one file to the server: at once when it is small, piece by piece when it is not,
// and again with growing pauses for as long as the connection is lost.

const PAUSES = [1, 2, 4, 8, 15]; // seconds; the last one repeats
const TRIES = 40;
const PASSING = new Set([0, 429, 502, 503, 504]);
// What comes in while a proxy is restarted speaks of no file; the server's own 503 does.
const BUSY_TRIES = 4;

const TABLE = Uint32Array.from({ length: 256 }, (_, number) => {
  let value = number;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

const crc32 = (bytes, before) => {
  let value = ~before;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
};

export const isArchive = async (file) => (
  await file.slice(0, 2).text().catch(() => "")) === "PK";

// `seconds`, or less when the browser says that it is back on line.
const pause = (seconds) => new Promise((resolve) => {
  const end = () => {
    clearTimeout(timer);
    window.removeEventListener("online", end);
    resolve();
  };
  const timer = setTimeout(end, seconds * 1000);
  window.addEventListener("online", end);
});

// One request: {status, answer (parsed JSON or null), header(name)}; status 0 when it was lost.
const ask = (method, url, { body = null, headers = {}, onProgress = null }) => (
  new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    if (onProgress) {
      request.upload.addEventListener("progress", (event) => onProgress(event.loaded, event.total));
    }
    const lost = () => resolve({ status: 0, answer: null, header: () => null });
    request.addEventListener("error", lost);
    request.addEventListener("abort", lost);
    request.addEventListener("load", () => {
      let answer = null;
      try {
        answer = JSON.parse(request.responseText);
      } catch { /* Nothing, or a page of a proxy or of the login. */ }
      resolve({ status: request.status, answer, header: (name) => request.getResponseHeader(name) });
    });
    request.send(body);
  }));

// `options`: formUrl, uploadsUrl, csrf, pieceBytes, fields() (of the form, at the time of asking),
// and what is told meanwhile: progress(share), checking(), lost(), found(results).
export class Transfer {
  constructor(file, options) {
    this.file = file;
    this.options = options;
    this.wasLost = false;
  }

  // The server's last answer: {patient, results} or {errors}; null for none that is understood.
  async send() {
    const archive = await isArchive(this.file);
    if (!archive && this.file.size <= this.options.pieceBytes) return this.submit({ files: this.file });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const answer = await this.sendPieces();
      const code = answer?.errors?.upload?.[0].code ?? answer?.results?.[0]?.error?.code;
      if (!["unknown_upload", "upload_checksum", "upload_incomplete"].includes(code)) return answer;
    }
    return null;
  }

  // Ask until there is an answer that is not of a passing fault.
  async request(method, url, make) {
    for (let attempt = 0; ; attempt += 1) {
      const { headers = {}, ...rest } = make();
      const found = await ask(method, url, {
        ...rest, headers: { "X-CSRFToken": this.options.csrf, Accept: "application/json", ...headers },
      });
      const tries = found.answer ? BUSY_TRIES : TRIES;
      if (!PASSING.has(found.status) || attempt + 1 >= tries) return found;
      this.wasLost = true;
      this.options.lost();
      await pause(PAUSES[Math.min(attempt, PAUSES.length - 1)]);
      // A piece must not be sent where the server may already be further.
      if (method === "PATCH") return found;
    }
  }

  async submit(values) {
    const { answer, status } = await this.request("POST", this.options.formUrl, () => {
      const body = new FormData();
      const all = { ...this.options.fields(), ...values };
      if (this.wasLost) all.again = "on";
      for (const [name, value] of Object.entries(all)) body.append(name, value);
      return {
        body,
        onProgress: values.files ? (loaded, total) => {
          this.options.progress(loaded / total);
          if (loaded === total) this.options.checking();
        } : null,
      };
    });
    if (status === 0) return { lost: true };
    return answer?.errors || answer?.results ? answer : null;
  }

  async sendPieces() {
    const begun = await this.request("POST", this.options.uploadsUrl, () => {
      const body = new FormData();
      body.append("size", this.file.size);
      return { body };
    });
    if (begun.status === 0) return { lost: true };
    if (begun.answer?.error) return { results: [{ error: begun.answer.error }] };
    if (!begun.answer?.url) return null;
    const { id, url, piece_bytes: pieceBytes } = begun.answer;
    const checksums = new Map([[0, 0]]); // by offset
    let offset = 0;
    for (let idle = 0; offset < this.file.size;) {
      const bytes = await this.bytes(offset, pieceBytes);
      if (!bytes) return { unreadable: true };
      checksums.set(offset + bytes.length, crc32(bytes, checksums.get(offset)));
      const from = offset;
      const sent = await this.request("PATCH", url, () => ({
        body: bytes,
        headers: { "Upload-Offset": from, "Content-Type": "application/offset+octet-stream" },
        onProgress: (loaded) => this.options.progress((from + loaded) / this.file.size),
      }));
      if (sent.status === 204) {
        offset = Number(sent.header("Upload-Offset"));
      } else if (sent.answer?.error && sent.status !== 409 && sent.status !== 503
          && sent.answer.error.code !== "upload_piece") {
        return { results: [{ error: sent.answer.error }] };
      } else {
        const state = await this.request("HEAD", url, () => ({}));
        if (state.status === 0) return { lost: true };
        if (state.status !== 204) return { errors: { upload: [{ code: "unknown_upload", message: "" }] } };
        offset = Number(state.header("Upload-Offset"));
        if (!checksums.has(offset)) return null;
      }
      idle = offset === from ? idle + 1 : 0;
      if (idle > TRIES) return { lost: true };
    }
    this.options.checking();
    const answer = await this.take({ upload: id, checksum: checksums.get(this.file.size) });
    // What stays behind when this is lost is swept away.
    if (answer && !answer.lost) void ask("DELETE", url, { headers: { "X-CSRFToken": this.options.csrf } });
    return answer;
  }

  // Have the server take what came in; of an archive, part after part.
  async take(values) {
    const results = [];
    let start = 0;
    for (;;) {
      const answer = await this.submit({ ...values, start });
      if (!answer?.results) return answer;
      results.push(...answer.results);
      if (answer.next === undefined) return { ...answer, results };
      this.options.found(answer, results);
      start = answer.next;
    }
  }

  async bytes(offset, length) {
    try {
      return new Uint8Array(await this.file.slice(offset, offset + length).arrayBuffer());
    } catch {
      return null; // Moved or changed since it was chosen.
    }
  }
}

// Run `work(item)` for each of `items`, at most `limit` at a time; stop beginning when it says false.
export const inParallel = async (items, limit, work) => {
  const waiting = [...items];
  let goesOn = true;
  const runner = async () => {
    while (goesOn && waiting.length) {
      if (await work(waiting.shift()) === false) goesOn = false;
    }
  };
  await Promise.all(Array.from({ length: limit }, runner));
};
