// One pane: the pixels, how they are shown, and what a person does to them.

import { canvasRenderer } from "./canvas2d.js";
import { apply, fitted, imageToPane, inverse, magnified, magnitude, panBy, sides, zoomAt } from "./geometry.js";
import { distance, Overlay } from "./overlay.js";
import { followPointers } from "./pointer.js";
import { ViewState } from "./state.js";
import { webglRenderer } from "./webgl.js";

const LENS = { radius: 90, factor: 2.5 };

export class Viewer extends EventTarget {
  // ``pane``: an element that is as large as the picture may be. ``pixels``: fetchPixels's.
  constructor(pane, pixels, { map = null, always = false, language = "en" } = {}) {
    super();
    Object.assign(this, { pane, pixels, always, facts: pixels.facts });
    const { windows, presets } = this.facts;
    this.windows = Object.fromEntries([
      ...windows.map((window, n) => [`file-${n + 1}`, window]), ...Object.entries(presets),
    ]);
    const preset = windows.length ? "file-1" : "auto";
    const { center, width, function: kind, curve = null } = this.windows[preset];
    this.state = new ViewState({
      center, width: Math.max(width, 1), function: kind, curve, preset,
    });
    this.millimetres = new Intl.NumberFormat(language, {
      style: "unit", unit: "millimeter", maximumFractionDigits: 1,
    });
    this.tool = "window";
    this.lens = false;
    this.overlay = new Overlay(this.facts, map);
    this.use(webglRenderer(pixels) ?? canvasRenderer(pixels));
    this.state.addEventListener("change", () => this.redraw());
    map?.addEventListener("load", () => this.redraw());
    followPointers(pane, this);
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(pane);
    this.resize();
  }

  use(renderer) {
    this.renderer?.canvas.remove();
    this.renderer = renderer;
    this.pane.prepend(renderer.canvas, this.overlay.canvas);
    this.pane.dataset.renderer = renderer.kind;
    renderer.canvas.addEventListener("webglcontextlost", () => {
      // The graphics card is gone or taken: go on without it.
      this.use(canvasRenderer(this.pixels));
      this.resize();
    });
  }

  // --- Drawing ----------------------------------------------------------------------------

  resize() {
    const { clientWidth: width, clientHeight: height } = this.pane;
    if (!width || !height) return;
    this.size = { width, height };
    const most = Math.sqrt(this.renderer.maxPixels / (width * height));
    this.ratio = Math.min(window.devicePixelRatio || 1, most);
    this.overlayRatio = window.devicePixelRatio || 1;
    for (const [canvas, ratio] of [
      [this.renderer.canvas, this.ratio], [this.overlay.canvas, this.overlayRatio],
    ]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    this.draw();
  }

  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.pane.isConnected) this.draw();
    });
  }

  draw() {
    if (!this.size) return;
    const { state, facts } = this;
    const at = (ratio) => {
      const matrix = imageToPane(state, facts, this.size).map((value) => value * ratio);
      if (!this.lens || !this.pointer) return { matrix };
      const [x, y] = this.pointer.map((value) => value * ratio);
      const wanted = Math.max(LENS.factor, ratio / magnitude(matrix));
      return {
        matrix,
        lens: { x, y, radius: LENS.radius * ratio, matrix: magnified(matrix, wanted, [x, y]) },
      };
    };
    const picture = at(this.ratio), over = at(this.overlayRatio);
    this.renderer.draw(state, picture.matrix, picture.lens);
    this.overlay.draw(state, over.matrix, over.lens, this.overlayRatio);
    this.dispatchEvent(new Event("drawn"));
  }

  // --- Facts for whoever shows them ---------------------------------------------------------

  // Screen pixels for one of the image; 1 is pixel for pixel.
  get zoomed() {
    return this.size
      ? fitted(this.state, this.facts, this.size) * this.state.scale * (window.devicePixelRatio || 1)
      : 1;
  }

  get sides() {
    return sides(this.state, this.facts.orientation);
  }

  isChosen() {
    return this.always || document.activeElement === this.pane;
  }

  // --- Acts ----------------------------------------------------------------------------------

  zoom(factor, point = [this.size.width / 2, this.size.height / 2]) {
    zoomAt(this.state, this.facts, this.size, factor, point);
  }

  move(dx, dy) {
    panBy(this.state, this.facts, this.size, dx, dy);
  }

  fit() {
    this.state.change({ scale: 1, x: 0.5, y: 0.5 });
  }

  pixelForPixel() {
    this.zoom(1 / this.zoomed);
  }

  // Wider to the right, brighter upwards; ``dx`` and ``dy`` in pixels of the pane.
  adjust(dx, dy) {
    const { state, facts } = this;
    const step = facts.presets.auto.width / 400;
    const brighter = facts.invert !== state.inverted ? -1 : 1;
    state.change({
      width: Math.max(state.width + dx * step, 1),
      center: state.center + brighter * dy * step,
      preset: "",
    });
  }

  preset(name) {
    if (this.windows[name]) this.state.setWindow(this.windows[name], name);
  }

  reset() {
    this.overlay.lines = [];
    this.open = null;
    this.state.reset();
    this.redraw();
  }

  choose(tool) {
    this.tool = tool;
    this.open = null;
    this.dispatchEvent(new Event("tool"));
  }

  magnify(on = !this.lens) {
    this.lens = on;
    this.pointer ??= this.size && [this.size.width / 2, this.size.height / 2];
    this.dispatchEvent(new Event("tool"));
    this.redraw();
  }

  // A measured line by the keyboard: its ends are what lies in the pane's middle.
  mark() {
    const point = [this.size.width / 2, this.size.height / 2];
    if (!this.open) this.begin(point);
    else {
      this.drag(point, point);
      this.end();
    }
  }

  // --- Pointers --------------------------------------------------------------------------------

  begin(point) {
    this.pointer = point;
    this.open = null;
    if (this.tool === "region") this.open = { corner: this.inImage(point) };
    if (this.tool === "measure") {
      const from = this.inImage(point);
      this.open = { from, to: from, label: this.millimetres.format(0) };
      this.overlay.lines.push(this.open);
    }
    this.redraw();
  }

  drag(from, to) {
    this.pointer = to;
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    if (this.lens) this.redraw();
    else if (this.tool === "pan") this.move(dx, dy);
    else if (this.tool === "window") this.adjust(dx, dy);
    if (this.open?.corner) {
      this.overlay.drawn = this.regionTo(this.inImage(to));
      this.redraw();
    } else if (this.open) {
      this.open.to = this.inImage(to);
      this.open.label = this.millimetres.format(distance(this.facts, this.open.from, this.open.to));
      this.redraw();
    }
  }

  // ``cancelled``: a second finger came, or the system took the pointer.
  end(cancelled = false) {
    const line = this.open;
    this.open = null;
    if (!line) return;
    if (line.corner) {
      this.endRegion(cancelled);
      return;
    }
    const empty = line.from[0] === line.to[0] && line.from[1] === line.to[1];
    if (cancelled || empty) this.overlay.lines = this.overlay.lines.filter((other) => other !== line);
    else this.dispatchEvent(new CustomEvent("measured", { detail: line.label }));
    this.redraw();
  }

  // From the corner where the rectangle began, as shares of the image.
  regionTo([x, y]) {
    const [u, v] = this.open.corner;
    const { columns, rows } = this.facts;
    return [Math.min(u, x) / columns, Math.min(v, y) / rows, Math.max(u, x) / columns, Math.max(v, y) / rows];
  }

  // A rectangle of less than a hundredth of the image is a click, not a drawing.
  endRegion(cancelled) {
    const [left, top, right, bottom] = this.overlay.drawn ?? [0, 0, 0, 0];
    const drawn = !cancelled && right - left > 0.01 && bottom - top > 0.01;
    if (drawn) this.dispatchEvent(new CustomEvent("region", { detail: this.overlay.drawn }));
    else this.overlay.drawn = null;
    this.redraw();
  }

  hover(point) {
    this.pointer = point;
    if (this.lens) this.redraw();
  }

  inImage(point) {
    const [x, y] = apply(inverse(imageToPane(this.state, this.facts, this.size)), point);
    return [
      Math.min(Math.max(x, 0), this.facts.columns), Math.min(Math.max(y, 0), this.facts.rows),
    ];
  }
}
