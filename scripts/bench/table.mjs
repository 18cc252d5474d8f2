/** Text for people: columns, numbers, the name of a device. */

/**
 * Returns cells in columns; negative widths align to the right.
 * @param {readonly string[]} cells
 * @param {readonly number[]} widths
 */
export function columns(cells, widths) {
  return cells
    .map((cell, i) => {
      const width = widths[i] ?? 0;
      return width < 0 ? cell.padStart(-width) : cell.padEnd(width);
    })
    .join('  ')
    .trimEnd();
}

/** @param {number} value three digits that count */
export function number(value) {
  return value >= 100 ? Math.round(value).toString() : value.toPrecision(3);
}

/** @param {import('../../src/engine/gpu/device.ts').Gpu['info']} device */
export function deviceName({ vendor, architecture, device, description, software }) {
  const name = [vendor, architecture, device, description].filter((part) => part !== '').join(' ');
  return `${name} (${software ? 'processor' : 'graphics card'})`;
}

/** @param {readonly string[]} cells of a table in Markdown */
export const markdownLine = (cells) => `| ${cells.join(' | ')} |`;

/**
 * Returns a table in Markdown; numbers stand to the right.
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
export function markdownTable(head, rows) {
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'));
  return [head, rule, ...rows].map(markdownLine).join('\n');
}
