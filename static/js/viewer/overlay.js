// What lies over the grey values: map, contour, measured lines, the edge of the lens.

import { contour, mapValues } from "./contour.js";
import { apply } from "./geometry.js";

const LINE = "#ffe14d", EDGE = "#000";

export class Overlay {
  // ``picture``: the map as an image of the page, or null.
  constructor(facts, picture) {
    this.facts = facts;
    this.picture = picture;
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d");
    this.lines = [];
    // Rectangles as shares of the image: those of the history, and the one being drawn.
    this.regions = [];
    this.drawn = null;
  }

  draw(state, matrix, lens, ratio) {
    const { context, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (this.picture?.naturalWidth) this.drawMap(state, matrix, ratio);
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (lens) this.drawLens(lens, ratio);
    for (const region of [...this.regions, this.drawn]) {
      if (region) this.drawRegion(region, matrix, ratio);
    }
    for (const line of this.lines) this.drawLine(line, matrix, ratio);
  }

  drawMap(state, matrix, ratio) {
    const { context, facts } = this;
    const { columns, rows } = facts;
    if (state.mapShown) {
      context.setTransform(...matrix);
      context.globalAlpha = state.mapOpacity;
      context.drawImage(this.picture, 0, 0, columns, rows);
      context.globalAlpha = 1;
    }
    if (state.contour === null) return;
    if (this.contourOf !== state.contour) {
      this.values ??= mapValues(this.picture);
      [this.segments, this.contourOf] = [contour(this.values, state.contour), state.contour];
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.beginPath();
    for (const [x1, y1, x2, y2] of this.segments) {
      context.moveTo(...apply(matrix, [x1 * columns, y1 * rows]));
      context.lineTo(...apply(matrix, [x2 * columns, y2 * rows]));
    }
    this.stroke(ratio);
  }

  drawLens({ x, y, radius }, ratio) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.clip();
    context.clearRect(x - radius, y - radius, 2 * radius, 2 * radius);
    context.restore();
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    this.stroke(ratio);
  }

  drawRegion([left, top, right, bottom], matrix, ratio) {
    const { context, facts } = this;
    const corners = [[left, top], [right, top], [right, bottom], [left, bottom]];
    context.beginPath();
    for (const [x, y] of corners) {
      context.lineTo(...apply(matrix, [x * facts.columns, y * facts.rows]));
    }
    context.closePath();
    this.stroke(ratio);
  }

  drawLine({ from, to, label }, matrix, ratio) {
    const { context } = this;
    const [a, b] = [apply(matrix, from), apply(matrix, to)];
    context.beginPath();
    context.moveTo(...a);
    context.lineTo(...b);
    for (const [x, y] of [a, b]) {
      context.moveTo(x - 5 * ratio, y);
      context.lineTo(x + 5 * ratio, y);
      context.moveTo(x, y - 5 * ratio);
      context.lineTo(x, y + 5 * ratio);
    }
    this.stroke(ratio);
    context.font = `600 ${15 * ratio}px system-ui, sans-serif`;
    context.lineJoin = "round";
    context.lineWidth = 4 * ratio;
    context.strokeStyle = EDGE;
    context.fillStyle = LINE;
    const place = [
      Math.min(b[0] + 8 * ratio, this.canvas.width - context.measureText(label).width - 4 * ratio),
      Math.max(b[1] - 8 * ratio, 18 * ratio),
    ];
    context.strokeText(label, ...place);
    context.fillText(label, ...place);
  }

  // A light line with dark edges is seen on black and on white.
  stroke(ratio) {
    const { context } = this;
    for (const [colour, width] of [[EDGE, 4], [LINE, 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * ratio;
      context.stroke();
    }
  }
}

// Millimetres between two points of the image, or null where the file has no spacing.
export function distance(facts, [x1, y1], [x2, y2]) {
  if (!facts.spacing) return null;
  return Math.hypot((x2 - x1) * facts.spacing.column, (y2 - y1) * facts.spacing.row);
}
