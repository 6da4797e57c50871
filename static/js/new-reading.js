// Sending radiographs: what the headers say, drag and drop, and progress for each file.
// Without this script the form sends everything in one request.
(() => {
  const form = document.getElementById("new-reading");
  const input = document.getElementById("id_files");
  const list = document.getElementById("file-list");
  const status = document.getElementById("upload-status");
  const send = document.getElementById("send");
  const dropzone = form.querySelector("[data-dropzone]");
  const texts = document.getElementById("texts").dataset;
  const csrf = form.elements.csrfmiddlewaretoken.value;
  const compared = ["sex", "birth_date", "acquired_on"];

  // One entry for each chosen file: {file, line, header, accepted}.
  let entries = [];
  let sending = false;

  const part = (entry, name) => entry.line.querySelector(`.file-${name}`);
  const show = (element, text) => {
    element.textContent = text;
    element.hidden = !text;
  };

  // --- The list of files -------------------------------------------------------------
  const size = (bytes) => {
    const unit = bytes < 1e6 ? "kilobyte" : "megabyte";
    const value = bytes / (bytes < 1e6 ? 1e3 : 1e6);
    return new Intl.NumberFormat(document.documentElement.lang, {
      style: "unit", unit, maximumFractionDigits: 1,
    }).format(value);
  };

  const add = (files) => {
    for (const file of files) {
      if (entries.some(({ file: other }) => other.name === file.name && other.size === file.size
          && other.lastModified === file.lastModified)) continue;
      const line = document.getElementById("file-line").content.cloneNode(true).firstElementChild;
      const entry = { file, line, header: null, accepted: false };
      part(entry, "name").textContent = file.name;
      part(entry, "name-hidden").textContent = ` ${file.name}`;
      part(entry, "size").textContent = size(file.size);
      part(entry, "remove").addEventListener("click", () => {
        entries = entries.filter((other) => other !== entry);
        line.remove();
        showChosen();
        useHeaders();
        input.focus();
      });
      entries.push(entry);
      list.append(line);
      inspect(entry);
    }
    showChosen();
    setErrors("files", []);
  };

  // The browser says beside its button how many files are chosen: those of the list.
  const showChosen = () => {
    const chosen = new DataTransfer();
    for (const { file } of entries) chosen.items.add(file);
    input.files = chosen.files;
  };

  input.addEventListener("change", () => add(input.files));
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
    if (!sending) add(event.dataTransfer.files);
  });
  // A file dropped beside the zone must not replace the page.
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => event.preventDefault());
  }

  // --- What the headers say ------------------------------------------------------------
  const inspect = async (entry) => {
    const start = await entry.file.slice(0, 2).text().catch(() => "");
    if (start === "PK") return; // A ZIP archive: looked into when it is sent.
    const body = new FormData();
    body.append("head", entry.file.slice(0, Number(form.dataset.headerBytes)), "head");
    try {
      const response = await fetch(form.dataset.inspectUrl, {
        method: "POST", body, headers: { "X-CSRFToken": csrf, Accept: "application/json" },
      });
      const answer = await response.json();
      if (answer.error) {
        show(part(entry, "error"), answer.error.sentence);
        return;
      }
      entry.header = answer;
    } catch {
      return; // Only a help: the server looks at the whole file when it is sent.
    }
    show(part(entry, "facts"), entry.header.facts.map(([name, text]) => `${name} ${text}`).join(" · "));
    setWarnings(entry, entry.header.warnings);
    useHeaders();
  };

  const setWarnings = (entry, sentences) => {
    part(entry, "warnings").replaceChildren(...sentences.map((sentence) => {
      const item = document.createElement("li");
      item.textContent = sentence;
      return item;
    }));
  };

  const patient = () => form.querySelector("input[name=patient]:checked");
  const known = (name) => entries.filter(({ header }) => header?.fields[name])
    .map(({ header, file }) => ({ ...header.fields[name], file: file.name }));

  // Fill what is empty, compare what is not. What a person typed is never changed.
  const useHeaders = () => {
    const isNew = patient()?.value === "new";
    for (const name of compared) {
      const field = form.elements[name];
      const facts = known(name);
      const own = name === "acquired_on" || isNew;
      const values = new Set(facts.map(({ value }) => value).filter(Boolean));
      if (field.dataset.prefilled && (values.size !== 1 || !values.has(field.value))) {
        field.value = "";
        delete field.dataset.prefilled;
      }
      if (own && !field.value && values.size === 1) {
        [field.value] = values;
        field.dataset.prefilled = "true";
      }
      let notes = [];
      if (own && field.value) notes = mismatches(facts, field.value);
      if (own && !notes.length && field.dataset.prefilled) notes = [texts.prefilled];
      if (name === "acquired_on" && values.size > 1 && !field.value) notes = [texts.datesDiffer];
      const undated = entries.some(({ header }) => header && !header.fields.acquired_on);
      if (name === "acquired_on" && undated && !field.value) notes = [texts.noDate];
      setNotes(field, notes, own && field.value && !field.dataset.prefilled);
    }
    const choice = patient();
    const notes = !choice || isNew ? [] : [
      ...mismatches(known("sex"), choice.dataset.sex),
      ...mismatches(known("birth_date"), choice.dataset.birthDate),
    ];
    const box = form.querySelector("[data-note=existing]");
    box.replaceChildren(...notes.map(paragraph));
    box.classList.toggle("is-mismatch", notes.length > 0);
    box.hidden = !notes.length;
  };

  // The server's rule for an age (radiology.services): a year to spare.
  const ageOn = (day, birthDate) => Number(day.slice(0, 4)) - Number(birthDate.slice(0, 4))
    - (day.slice(5) < birthDate.slice(5) ? 1 : 0);
  const disagrees = (fact, value) => {
    if (fact.age === undefined) return fact.value !== value;
    const day = fact.on || form.elements.acquired_on.value;
    return Boolean(day) && Math.abs(ageOn(day, value) - fact.age) > 1;
  };
  // Each sentence once; with several files chosen, the names of those that it is about.
  const mismatches = (facts, value) => {
    const files = new Map();
    for (const { mismatch, file } of facts.filter((fact) => disagrees(fact, value))) {
      files.set(mismatch, [...(files.get(mismatch) ?? []), file]);
    }
    return [...files].map(([sentence, names]) => (
      entries.length > 1 ? `${names.join(", ")}: ${sentence}` : sentence));
  };

  const paragraph = (text) => {
    const element = document.createElement("p");
    element.textContent = text;
    return element;
  };

  const setNotes = (field, notes, mismatch) => {
    const holder = field.closest(".field");
    let box = holder.querySelector(".field-note");
    if (!box) {
      box = document.createElement("div");
      box.className = "field-note";
      box.id = `${field.id}_note`;
      box.setAttribute("role", "status");
      holder.append(box);
      field.setAttribute(
        "aria-describedby", `${field.getAttribute("aria-describedby") ?? ""} ${box.id}`.trim(),
      );
    }
    const text = notes.join("\n");
    if (box.dataset.text === text) return;
    box.dataset.text = text;
    box.replaceChildren(...notes.map(paragraph));
    box.classList.toggle("is-mismatch", Boolean(mismatch && notes.length));
    box.hidden = !notes.length;
  };

  form.addEventListener("input", (event) => {
    delete event.target.dataset.prefilled;
  });
  form.addEventListener("change", (event) => {
    if (event.target !== input) useHeaders();
  });

  // --- Sending -------------------------------------------------------------------------
  const setErrors = (name, sentences) => {
    let box = form.querySelector(`[data-errors=${name}]`);
    const field = form.elements[name];
    if (!box) {
      const holder = form.querySelector(`[data-field=${name}]`);
      box = holder.querySelector(".field-errors") ?? document.createElement("ul");
      box.className = "field-errors";
      box.id = `id_${name}_error`;
      box.dataset.errors = name;
      holder.append(box);
      const described = field.getAttribute("aria-describedby") ?? "";
      if (!described.includes(box.id)) {
        field.setAttribute("aria-describedby", `${described} ${box.id}`.trim());
      }
    }
    box.replaceChildren(...sentences.map((sentence) => {
      const item = document.createElement("li");
      item.textContent = sentence;
      return item;
    }));
    if (field instanceof HTMLElement) {
      field.classList.toggle("is-invalid", sentences.length > 0);
      if (sentences.length) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  };

  const fields = ["patient", "identifier", "sex", "birth_date", "acquired_on", "files"];
  const showErrors = (errors) => {
    for (const name of fields) setErrors(name, (errors[name] ?? []).map(({ message }) => message));
    const others = Object.entries(errors).filter(([name]) => !fields.includes(name));
    if (others.length) setErrors("patient", others.flatMap(([, all]) => all.map((e) => e.message)));
    const taken = (errors.identifier ?? []).some(({ code }) => code === "patient_exists");
    const search = document.getElementById("patient-search");
    if (taken && search) {
      // Show the patient who has this identifier, ready to be chosen.
      search.value = form.elements.identifier.value;
      window.htmx.trigger(search, "search-again");
    }
    const first = form.querySelector("[aria-invalid=true], .field-errors:not(:empty)");
    first?.scrollIntoView({ block: "center" });
    if (first?.matches("input, select")) first.focus();
  };

  const upload = (entry) => new Promise((resolve) => {
    const body = new FormData();
    for (const name of ["identifier", "sex", "birth_date", "acquired_on"]) {
      body.append(name, form.elements[name].value);
    }
    body.append("patient", patient()?.value ?? "");
    body.append("files", entry.file);
    const progress = part(entry, "progress");
    progress.hidden = false;
    show(part(entry, "state"), texts.uploading);
    show(part(entry, "error"), "");
    const request = new XMLHttpRequest();
    request.open("POST", location.pathname);
    request.setRequestHeader("X-CSRFToken", csrf);
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress.value = event.loaded / event.total;
    });
    request.upload.addEventListener("load", () => show(part(entry, "state"), texts.checking));
    const end = (answer, sentence) => {
      progress.hidden = true;
      show(part(entry, "state"), "");
      show(part(entry, "error"), sentence);
      resolve(answer);
    };
    request.addEventListener("error", () => end(null, texts.lost));
    request.addEventListener("abort", () => end(null, texts.lost));
    request.addEventListener("load", () => {
      let answer = null;
      try {
        answer = JSON.parse(request.responseText);
      } catch { /* A page of a proxy, or of the login. */ }
      if (answer?.errors) end(answer, "");
      else if (!answer?.results) end(null, texts.answer);
      else end(answer, answer.results[0].name ? "" : answer.results[0].error?.sentence ?? "");
    });
    request.send(body);
  });

  // A patient made by the first accepted file is the patient of all that follow.
  const keepPatient = (key) => {
    const choice = patient();
    if (choice.value === "new") choice.value = key;
    for (const element of form.querySelectorAll("#patient-part input, #patient-part select, #patient-part button")) {
      if (element !== choice) element.disabled = true;
    }
    const link = document.getElementById("to-patient");
    link.href = link.dataset.patientUrl.replace("00000000-0000-0000-0000-000000000000", key);
  };

  const accept = (entry, result) => {
    entry.accepted = true;
    entry.url = result.url;
    entry.line.dataset.state = "accepted";
    part(entry, "remove").remove();
    const link = part(entry, "link");
    link.href = entry.url;
    link.hidden = false;
    setWarnings(entry, result.warnings);
    show(part(entry, "state"), result.created ? "" : texts.known);
    showResult(entry, result.result_url);
  };

  // What became of the files in an archive, each in a line.
  const showParts = (entry, results) => {
    const template = document.getElementById("file-part").content;
    part(entry, "parts").replaceChildren(...results.map((result) => {
      const line = template.cloneNode(true).firstElementChild;
      const within = { line };
      line.dataset.state = result.state;
      part(within, "name").textContent = result.name;
      const words = { accepted: texts.accepted, duplicate: texts.known }[result.state]
        ?? `${texts[result.state]} ${result.error.sentence}`;
      part(within, "state").textContent = words;
      if (result.url) {
        part(within, "name-hidden").textContent = ` ${result.name}`;
        const link = part(within, "link");
        link.href = result.url;
        link.hidden = false;
        setWarnings(within, result.warnings);
      }
      return line;
    }));
    entry.accepted = !results.some(({ state }) => state === "refused");
    entry.line.dataset.state = entry.accepted ? "accepted" : "refused";
    if (entry.accepted) part(entry, "remove").remove();
  };

  // The reading in a line, which asks by itself until it is ready. A single file leads to its page.
  const showResult = (entry, url) => {
    if (entries.length === 1) return;
    const line = document.createElement("div");
    line.textContent = texts.accepted;
    for (const [name, value] of [["get", url], ["trigger", "load"], ["swap", "outerHTML"]]) {
      line.setAttribute(`hx-${name}`, value);
    }
    part(entry, "results").replaceChildren(line);
    window.htmx.process(line);
  };

  const sendAll = async () => {
    const waiting = entries.filter(({ accepted }) => !accepted);
    if (!waiting.length) {
      setErrors("files", [texts.noFiles]);
      input.focus();
      return;
    }
    showErrors({});
    for (const entry of waiting) {
      status.textContent = `${texts.uploading} ${entry.file.name}`;
      const answer = await upload(entry);
      if (answer?.errors) {
        showErrors(answer.errors);
        return;
      }
      const result = answer?.results[0];
      if (result?.name) {
        if (answer.patient) keepPatient(answer.patient);
        showParts(entry, answer.results);
      } else if (result?.url) {
        keepPatient(answer.patient);
        accept(entry, result);
      } else {
        entry.line.dataset.state = "refused";
      }
    }
    if (entries.length === 1 && entries[0].accepted && entries[0].url) {
      location.assign(entries[0].url);
      return;
    }
    const all = entries.every(({ accepted }) => accepted);
    status.textContent = all ? texts.done : texts.someRefused;
    document.getElementById("to-patient").hidden = !form.querySelector(".file-link:not([hidden])");
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
      send.disabled = entries.length > 0 && entries.every(({ accepted }) => accepted);
      form.removeAttribute("aria-busy");
    }
  });

  // Enter in the search field searches; it never sends the form.
  document.getElementById("patient-search")?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    window.htmx.trigger(event.target, "search-again");
  });
})();
