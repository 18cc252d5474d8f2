/** Bar charts as SVG: one group of horizontal bars for each label, on white, readable in dark pages too. */

/**
 * @typedef {object} Bar
 * @property {string} series
 * @property {number} value
 * @property {string} text what stands behind the bar
 */

/** @typedef {{ readonly label: string, readonly bars: readonly Bar[] }} Group */

const WIDTH = 900;
/** About the width of a letter of a label, in any of the fonts that may be there. */
const LETTER = 7.2;
const TEXT = 190;
const BAR = 14;
const GAP = 10;
const HEAD = 56;
const COLOURS = [
  ...['#2457a7', '#6aa2e8', '#0f2d5c', '#d07a1f', '#edb36f'],
  ...['#7a7f87', '#3f8f5b', '#8fc7a3', '#b6bac0'],
];

const escaped = (/** @type {string} */ text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/**
 * Returns the picture. Bars are as long as their value's share of the largest in the group (`scale: 'group'`) or in all
 * groups.
 * @param {string} title
 * @param {readonly Group[]} groups
 * @param {{ scale: 'group' | 'all' }} options
 */
export function barChart(title, groups, { scale }) {
  const series = [...new Set(groups.flatMap(({ bars }) => bars.map((bar) => bar.series)))];
  const colour = (/** @type {string} */ name) =>
    COLOURS[series.indexOf(name) % COLOURS.length] ?? '#000';
  const longest = (/** @type {readonly Bar[]} */ bars) =>
    Math.max(...bars.map(({ value }) => value));
  const most = longest(groups.flatMap(({ bars }) => bars));
  const longestLabel = Math.max(...groups.map(({ label }) => label.length));
  const indent = Math.ceil(longestLabel * LETTER) + 22;
  const room = WIDTH - indent - TEXT;
  /** @type {string[]} */
  const parts = [];
  let y = HEAD;
  for (const { label, bars } of groups) {
    const full = scale === 'all' ? most : longest(bars);
    const middle = y + (bars.length * BAR) / 2 + 4;
    parts.push(`<text x="${indent - 10}" y="${middle}" text-anchor="end">${escaped(label)}</text>`);
    for (const { series: name, value, text } of bars) {
      const length = ((value / full) * room).toFixed(1);
      parts.push(
        `<rect x="${indent}" y="${y + 1}" width="${length}" height="${BAR - 3}" fill="${colour(name)}"/>`,
        `<text x="${(indent + Number(length) + 6).toFixed(1)}" y="${y + BAR - 4}" class="value">${escaped(text)}</text>`,
      );
      y += BAR;
    }
    y += GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="system-ui, sans-serif" font-size="12">`,
    '<style>text{fill:#1c1f24}.value{fill:#4a4f57;font-size:11px}</style>',
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    `<text x="12" y="22" font-size="15" font-weight="600">${escaped(title)}</text>`,
    ...legend(series.length > 1 ? series : [], colour),
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/**
 * @param {readonly string[]} series
 * @param {(name: string) => string} colour
 */
function legend(series, colour) {
  let x = 12;
  return series.flatMap((name) => {
    const at = x;
    x += 28 + 7 * name.length;
    return [
      `<rect x="${at}" y="33" width="10" height="10" fill="${colour(name)}"/>`,
      `<text x="${at + 15}" y="42" class="value">${escaped(name)}</text>`,
    ];
  });
}
