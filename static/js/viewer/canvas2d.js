// Draws the same picture as webgl.js without a graphics card: pixel by pixel.

import { levelFor, levelTable } from "./pixels.js";
import { inverse, magnitude, apply } from "./geometry.js";

export function canvasRenderer({ facts, levels }) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { alpha: false });
  let table, tableOf = "", target, words;

  function region(matrix, left, top, right, bottom, inside) {
    const n = levelFor(levels, magnitude(matrix));
    const { samples, columns, rows } = levels[n];
    const back = inverse(matrix).map((value) => value / 2 ** n);
    const stride = target.width;
    for (let y = top; y < bottom; y++) {
      let [u, v] = apply(back, [left + 0.5, y + 0.5]);
      for (let x = left, at = y * stride + left; x < right; x++, at++, u += back[0], v += back[1]) {
        if (inside && !inside(x, y)) continue;
        if (u < 0 || v < 0 || u >= columns || v >= rows) {
          words[at] = 0xff000000;
          continue;
        }
        const p = Math.max(u - 0.5, 0), q = Math.max(v - 0.5, 0);
        const column = p | 0, row = q | 0, fx = p - column, fy = q - row;
        const a = row * columns + column;
        const b = column + 1 < columns ? 1 : 0, c = row + 1 < rows ? columns : 0;
        const upper = samples[a] + (samples[a + b] - samples[a]) * fx;
        const lower = samples[a + c] + (samples[a + c + b] - samples[a + c]) * fx;
        const grey = table[(upper + (lower - upper) * fy + 0.5) | 0];
        words[at] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
      }
    }
  }

  return {
    kind: "2d",
    canvas,
    // So many pixels are drawn in a few hundredths of a second; the browser enlarges them.
    maxPixels: 1_000_000,
    draw(state, matrix, lens) {
      const of = [state.center, state.width, state.function, state.inverted].join();
      if (of !== tableOf) [table, tableOf] = [levelTable(state, facts), of];
      const { width, height } = canvas;
      if (target?.width !== width || target?.height !== height) {
        target = context.createImageData(width, height);
        words = new Uint32Array(target.data.buffer);
      }
      region(matrix, 0, 0, width, height);
      if (lens) {
        const { x, y, radius } = lens;
        region(
          lens.matrix,
          Math.max(Math.floor(x - radius), 0), Math.max(Math.floor(y - radius), 0),
          Math.min(Math.ceil(x + radius), width), Math.min(Math.ceil(y + radius), height),
          (i, j) => Math.hypot(i + 0.5 - x, j + 0.5 - y) < radius
        );
      }
      context.putImageData(target, 0, 0);
    },
  };
}
