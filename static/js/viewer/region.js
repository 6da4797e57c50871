// A rectangle drawn on the radiograph by who contests a reading, and those of the history
// shown again. Without script, or without the full depth, none is drawn and none is missed.

document.addEventListener("viewer:ready", ({ target, detail: viewer }) => {
  const page = document;
  const words = target.querySelector("[data-viewer-words]").dataset;
  const note = target.querySelector("[data-viewer-note]");
  const say = (text) => {
    note.textContent = text;
    note.hidden = !text;
  };
  const read = (text) => (text ? text.split(",").map(Number) : null);
  const wired = (element) => element.regionOf === viewer || ((element.regionOf = viewer), false);

  function connect() {
    const input = page.querySelector("[data-region-input]");
    if (!input) return;
    const row = page.querySelector("[data-region-row]");
    const remove = page.querySelector("[data-region-remove]");
    const state = page.querySelector("[data-region-state]");
    const show = () => {
      const region = read(input.value);
      viewer.overlay.drawn = region;
      remove.hidden = !region;
      state.textContent = region ? state.dataset.drawn : state.dataset.none;
      viewer.redraw();
    };
    if (!wired(row)) {
      row.hidden = false;
      page.querySelector("[data-region-draw]").addEventListener("click", () => {
        viewer.choose("region");
        viewer.pane.scrollIntoView({ block: "nearest" });
        viewer.pane.focus({ preventScroll: true });
        say(words.markRegion);
      });
      remove.addEventListener("click", () => {
        input.value = "";
        show();
      });
      viewer.addEventListener("region", ({ detail }) => {
        input.value = detail.map((value) => value.toFixed(4)).join(",");
        viewer.choose("window");
        say(words.markedRegion);
        show();
      });
    }
    show();
  }

  connect();
  for (const button of page.querySelectorAll("[data-region]")) {
    if (wired(button)) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      viewer.overlay.regions = [...page.querySelectorAll("[data-region][aria-pressed=true]")]
        .map((one) => read(one.dataset.region));
      if (on) viewer.pane.scrollIntoView({ block: "nearest" });
      viewer.redraw();
    });
  }
});
