// The fields of the form: prefilled and compared by what the files' headers say, with their
// errors beside them.

const compared = ["sex", "birth_date", "acquired_on"];

// `entries()`: the chosen files, each {file, path, header}.
export const makeFields = (form, texts, entries) => {
  const patient = () => form.querySelector("input[name=patient]:checked");
  const known = (name) => entries().filter(({ header }) => header?.fields[name])
    .map(({ header, path }) => ({ ...header.fields[name], file: path }));

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
      const undated = entries().some(({ header }) => header && !header.fields.acquired_on);
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
    askToConfirm(!choice ? false : isNew
      ? ["sex", "birth_date"].some((name) => form.elements[name].value
        && mismatches(known(name), form.elements[name].value).length)
      : notes.length > 0);
  };

  // Shown as soon as a file disagrees with the patient; asked for anew when they change.
  const confirmation = form.querySelector("[data-confirm-mismatch]");
  const askToConfirm = (asked) => {
    if (confirmation.hidden && !asked) return;
    confirmation.hidden = !asked;
    if (!asked) form.elements.confirm_mismatch.checked = false;
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
      entries().length > 1 ? `${names.join(", ")}: ${sentence}` : sentence));
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

  const setErrors = (name, sentences) => {
    let box = form.querySelector(`[data-errors=${name}]`);
    // Two fields choose files.
    const field = name === "files" ? document.getElementById("id_files") : form.elements[name];
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

  // What is sent with one file. A date that was taken from other files' headers is not this one's:
  // it goes only to a file that is known to have none.
  const values = (entry) => {
    const all = Object.fromEntries(["identifier", "sex", "birth_date", "acquired_on"]
      .map((name) => [name, form.elements[name].value]));
    const isUndated = entry.header && !entry.header.fields.acquired_on;
    if (form.elements.acquired_on.dataset.prefilled && !isUndated) all.acquired_on = "";
    // Only for what was shown: of an archive nothing is known before it was sent once.
    const wasShown = entry.header || entry.disagreed;
    if (form.elements.confirm_mismatch.checked && wasShown) all.confirm_mismatch = "on";
    return { ...all, patient: patient()?.value ?? "" };
  };

  return { patient, useHeaders, setErrors, showErrors, keepPatient, values, askToConfirm };
};
