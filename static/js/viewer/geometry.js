// Between pixels of the image and pixels of the pane. A matrix is [a, b, c, d, e, f], as a
// canvas takes it: x' = a x + c y + e, y' = b x + d y + f.

// Quarter turns clockwise as the eye sees them, y pointing down.
const TURNS = [[1, 0, 0, 1], [0, 1, -1, 0], [-1, 0, 0, -1], [0, -1, 1, 0]];
export const SCALES = [0.25, 64];

// Pane pixels for one image pixel at ``state.scale`` 1.
export function fitted(state, image, pane) {
  const [width, height] =
    state.turns % 2 ? [image.rows, image.columns] : [image.columns, image.rows];
  return Math.min(pane.width / width, pane.height / height);
}

// The turns, then the mirror: [a, b, c, d], without a size.
export function orientation({ turns, mirrored }) {
  const [a, b, c, d] = TURNS[turns];
  return mirrored ? [-a, b, -c, d] : [a, b, c, d];
}

export function imageToPane(state, image, pane) {
  const scale = fitted(state, image, pane) * state.scale;
  const [a, b, c, d] = orientation(state).map((value) => value * scale);
  const [x, y] = [state.x * image.columns, state.y * image.rows];
  return [a, b, c, d, pane.width / 2 - a * x - c * y, pane.height / 2 - b * x - d * y];
}

export function inverse([a, b, c, d, e, f]) {
  const n = a * d - b * c;
  return [d / n, -b / n, -c / n, a / n, (c * f - d * e) / n, (b * e - a * f) / n];
}

export function apply([a, b, c, d, e, f], [x, y]) {
  return [a * x + c * y + e, b * x + d * y + f];
}

// The same matrix, ``factor`` times as large around a point of the pane.
export function magnified([a, b, c, d, e, f], factor, [x, y]) {
  return [a * factor, b * factor, c * factor, d * factor,
    x + (e - x) * factor, y + (f - y) * factor];
}

export function magnitude([a, b]) {
  return Math.hypot(a, b);
}

// ``factor`` times as large, a point of the pane staying where it is.
export function zoomAt(state, image, pane, factor, point) {
  const scale = Math.min(Math.max(state.scale * factor, SCALES[0]), SCALES[1]);
  const [u, v] = apply(inverse(imageToPane(state, image, pane)), point);
  const next = { ...state.values(["turns", "mirrored", "x", "y"]), scale };
  const [p, q] = apply(inverse(imageToPane(next, image, pane)), point);
  state.change({ scale, ...inside(state.x + (u - p) / image.columns, state.y + (v - q) / image.rows) });
}

// Moved by pixels of the pane.
export function panBy(state, image, pane, dx, dy) {
  const [a, b, c, d] = inverse(imageToPane(state, image, pane));
  state.change(
    inside(state.x - (a * dx + c * dy) / image.columns, state.y - (b * dx + d * dy) / image.rows)
  );
}

// The pane's middle stays on the image: it can't be lost.
function inside(x, y) {
  return { x: Math.min(Math.max(x, 0), 1), y: Math.min(Math.max(y, 0), 1) };
}

// Which letters of the patient lie to the left, right, top and bottom of the pane.
// ``orientation``: where rows and columns of the image lead (DICOM PS3.3, C.7.6.1.1.1).
export function sides(state, orientation) {
  if (!orientation) return null;
  const opposite = (word) =>
    [...word].map((letter) => ({ L: "R", R: "L", H: "F", F: "H", A: "P", P: "A" })[letter]).join("");
  const [right, bottom] = orientation;
  // Clockwise from the right.
  let around = [right, bottom, opposite(right), opposite(bottom)];
  for (let turn = 0; turn < state.turns; turn++) around = [around[3], ...around.slice(0, 3)];
  if (state.mirrored) around = [around[2], around[1], around[0], around[3]];
  return { right: around[0], bottom: around[1], left: around[2], top: around[3] };
}
