// Lines along which a map has one value, by marching squares.

// The map's values out of its picture: opacity tells them (inference/explanation.py), from
// CLEAR_BELOW at 0 to 1 at half; what is clear counts as 0.
const CLEAR_BELOW = 0.2, MOST_OPAQUE = 127.5;

export function mapValues(picture) {
  const { naturalWidth: columns, naturalHeight: rows } = picture;
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, columns, rows);
  const values = new Float32Array(columns * rows);
  for (let at = 0; at < values.length; at++) {
    const opacity = data[4 * at + 3];
    values[at] = opacity ? CLEAR_BELOW + ((1 - CLEAR_BELOW) * opacity) / MOST_OPAQUE : 0;
  }
  return { values, columns, rows };
}

// Segments [x1, y1, x2, y2] in parts of the map (0 to 1). Outside the map the value is 0.
export function contour({ values, columns, rows }, threshold) {
  const value = (x, y) =>
    x < 0 || y < 0 || x >= columns || y >= rows ? 0 : values[y * columns + x];
  const segments = [];
  for (let y = -1; y < rows; y++) {
    for (let x = -1; x < columns; x++) {
      const corners = [value(x, y), value(x + 1, y), value(x + 1, y + 1), value(x, y + 1)];
      const above = corners.map((corner) => corner >= threshold);
      if (above.every(Boolean) || !above.some(Boolean)) continue;
      const places = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]];
      const crossings = [];
      for (let side = 0; side < 4; side++) {
        const next = (side + 1) % 4;
        if (above[side] === above[next]) continue;
        const part = (threshold - corners[side]) / (corners[next] - corners[side]);
        crossings.push(places[side].map((from, axis) => from + part * (places[next][axis] - from)));
      }
      for (let n = 0; n + 1 < crossings.length; n += 2) {
        segments.push([...crossings[n], ...crossings[n + 1]].map(
          (number, axis) => Math.min(Math.max((number + 0.5) / (axis % 2 ? rows : columns), 0), 1)));
      }
    }
  }
  return segments;
}
