// How one radiograph is shown: window, place, orientation, what lies over it. It knows
// nothing of pixels or pages, so that two panes can follow one another: what is about place
// is in parts of the image, not in pixels.

export const PLACE = ["scale", "x", "y", "turns", "mirrored"];
export const WINDOW = ["center", "width", "function", "curve", "preset", "inverted"];

const START = {
  // Window, in the modality's unit; ``curve`` belongs to the function TABLE.
  center: 0, width: 1, function: "LINEAR", curve: null, preset: "", inverted: false,
  // 1 is fitted to the pane; x and y: which part of the image lies in the pane's middle.
  scale: 1, x: 0.5, y: 0.5,
  // Quarter turns clockwise, then mirrored from left to right.
  turns: 0, mirrored: false,
  mapShown: false, mapOpacity: 1, contour: null,
};

export class ViewState extends EventTarget {
  constructor(start = {}) {
    super();
    this.start = { ...START, ...start };
    Object.assign(this, this.start);
  }

  // Take over ``values`` and say so once, with the names of what is different now.
  change(values) {
    const names = Object.keys(values).filter((name) => this[name] !== values[name]);
    if (!names.length) return;
    Object.assign(this, values);
    this.dispatchEvent(new CustomEvent("change", { detail: names }));
  }

  // The values of ``names`` (``PLACE``, ``WINDOW``), for another pane's ``change``.
  values(names) {
    return Object.fromEntries(names.map((name) => [name, this[name]]));
  }

  reset() {
    this.change(this.start);
  }

  setWindow(window, preset = "") {
    this.change({
      center: window.center, width: Math.max(window.width, 1), function: window.function,
      curve: window.curve ?? null, preset,
    });
  }

  rotate() {
    this.change({ turns: (this.turns + (this.mirrored ? 3 : 1)) % 4 });
  }

  flip(vertically) {
    this.change({ mirrored: !this.mirrored, turns: (this.turns + (vertically ? 2 : 0)) % 4 });
  }
}
