// The buttons, sliders and keys of one viewer, and the words that say how it stands.

const KEYS = {
  "+": (v) => v.zoom(1.25), "=": (v) => v.zoom(1.25), "-": (v) => v.zoom(0.8),
  0: (v) => v.fit(), 1: (v) => v.pixelForPixel(),
  w: (v) => v.choose("window"), p: (v) => v.choose("pan"),
  ArrowLeft: (v, e) => (e.shiftKey ? v.adjust(-16, 0) : v.move(40, 0)),
  ArrowRight: (v, e) => (e.shiftKey ? v.adjust(16, 0) : v.move(-40, 0)),
  ArrowUp: (v, e) => (e.shiftKey ? v.adjust(0, -16) : v.move(0, 40)),
  ArrowDown: (v, e) => (e.shiftKey ? v.adjust(0, 16) : v.move(0, -40)),
  a: (v) => v.preset("auto"), l: (v) => v.preset("lung"), b: (v) => v.preset("bone"),
  r: (v) => v.state.rotate(), h: (v) => v.state.flip(false), v: (v) => v.state.flip(true),
  i: (v) => v.state.change({ inverted: !v.state.inverted }),
  g: (v) => v.magnify(),
};

export function connectToolbar(figure, viewer) {
  const { state, facts } = viewer;
  const find = (name) => figure.querySelector(`[data-viewer-${name}]`);
  const words = find("words").dataset;
  const all = (name) => [...figure.querySelectorAll(`[data-viewer-${name}]`)];
  const say = (text) => {
    find("note").textContent = text;
    find("note").hidden = !text;
  };
  // Values of a wide window are whole for the eye, those of a narrow one may not be.
  const fraction = facts.presets.auto.width < 50 ? 1 : 0;
  const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: fraction });
  const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });

  // --- Presets: the file's own windows, then those of the values ---
  const presets = find("presets");
  presets.append(new Option(words.ownWindow, "", true));
  Object.keys(viewer.windows).forEach((name) => {
    const count = Number(name.replace("file-", ""));
    const label = count ? `${words.fileWindow}${facts.windows.length > 1 ? ` ${count}` : ""}` : words[name];
    presets.append(new Option(label, name));
  });
  presets.addEventListener("change", () => viewer.preset(presets.value));

  // --- Buttons ---
  // What a length is worth stands beside it for as long as it does.
  const spacingWords = facts.spacing ? {
    calibrated: words.spacingCalibrated, detector: words.spacingDetector, unsaid: words.spacingUnsaid,
  }[facts.spacing.kind] : "";
  const measure = () => {
    if (!facts.spacing) {
      say(words.spacingNone);
      return;
    }
    viewer.choose("measure");
    say(spacingWords);
  };
  const fullScreen = () =>
    document.fullscreenElement ? document.exitFullscreen() : figure.requestFullscreen?.();
  const help = () => find("help").showModal();
  const reset = () => {
    viewer.reset();
    viewer.choose("window");
    viewer.magnify(false);
    say("");
    for (const control of controls) control.read();
  };
  const acts = {
    window: () => viewer.choose("window"), pan: () => viewer.choose("pan"), measure,
    lens: () => viewer.magnify(), larger: () => viewer.zoom(1.25), smaller: () => viewer.zoom(0.8),
    fit: () => viewer.fit(), one: () => viewer.pixelForPixel(), rotate: () => state.rotate(),
    mirror: () => state.flip(false), turnover: () => state.flip(true),
    invert: () => state.change({ inverted: !state.inverted }), reset, screen: fullScreen, help,
  };
  for (const button of all("act")) {
    button.addEventListener("click", () => acts[button.dataset.viewerAct]());
    if (button.dataset.viewerAct === "screen") button.hidden = !document.fullscreenEnabled;
  }

  // --- What lies over the image; its switch works without script, too ---
  const controls = [];
  const mapSwitch = figure.querySelector(".map-switch");
  if (mapSwitch) {
    const opacity = find("opacity"), outline = find("outline"), threshold = find("threshold");
    const write = () =>
      state.change({
        mapShown: mapSwitch.checked,
        mapOpacity: Number(opacity.value) / 100,
        contour: outline.checked ? Number(threshold.value) / 100 : null,
      });
    const show = () => {
      find("opacity-row").hidden = !mapSwitch.checked;
      find("threshold-row").hidden = !outline.checked;
      find("threshold-value").textContent = percent.format(Number(threshold.value) / 100);
    };
    for (const input of [mapSwitch, opacity, outline, threshold]) {
      input.addEventListener("input", () => {
        write();
        show();
      });
    }
    controls.push({
      read() {
        [mapSwitch.checked, outline.checked, opacity.value, threshold.value] = [false, false, 100, 50];
        show();
      },
    });
    find("outline-row").hidden = false;
    write();
    show();
  }

  // --- Keys: only while the image has the focus, so that no other key of the page is taken ---
  viewer.pane.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const toggle = (input) => input?.click();
    const own = {
      d: measure, f: fullScreen, x: reset, "?": help,
      m: () => toggle(mapSwitch), c: () => toggle(find("outline")),
      o: () => viewer.preset(facts.windows.length ? "file-1" : "auto"),
      Enter: () => ["measure", "region"].includes(viewer.tool) && viewer.mark(),
      Escape: () => {
        viewer.choose("window");
        viewer.magnify(false);
        viewer.end(true);
      },
    };
    const act = own[key] ?? KEYS[key];
    if (!act) return;
    event.preventDefault();
    act(viewer, event);
  });

  // --- How it stands ---
  const press = () => {
    const pressed = {
      window: viewer.tool === "window", pan: viewer.tool === "pan", measure: viewer.tool === "measure",
      lens: viewer.lens, invert: state.inverted, mirror: state.mirrored,
    };
    for (const button of all("act")) {
      const value = pressed[button.dataset.viewerAct];
      if (value !== undefined) button.setAttribute("aria-pressed", String(value));
    }
    viewer.pane.dataset.tool = viewer.lens ? "lens" : viewer.tool;
  };
  const stand = () => {
    const readout = words.readout
      .replace("{center}", number.format(state.center))
      .replace("{width}", number.format(state.width))
      .replace("{zoom}", percent.format(viewer.zoomed));
    if (find("readout").textContent !== readout) find("readout").textContent = readout;
    presets.value = state.preset;
    const sides = viewer.sides;
    for (const side of all("side")) side.textContent = sides?.[side.dataset.viewerSide] ?? "";
    press();
  };
  viewer.addEventListener("drawn", stand);
  viewer.addEventListener("tool", press);
  viewer.addEventListener("measured", ({ detail }) => say(
    `${words.measured.replace("{length}", detail)} ${spacingWords}`,
  ));
  const view = [facts.view, { L: words.left, R: words.right }[facts.laterality]].filter(Boolean);
  find("view").textContent = [...view, facts.orientation ? "" : words.sideUnknown].filter(Boolean).join(" · ");
  stand();
}
