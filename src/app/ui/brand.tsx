/** The sign of the page: a zoetrope seen from above, its slits turning once when the page opens. */

const SLITS = Array.from({ length: 12 }, (_, i) => i * 30);

/** The sign. */
export const Brand = () => (
  <svg class="brand" viewBox="0 0 48 48" aria-hidden="true" focusable="false">
    <circle cx="24" cy="24" r="22" class="drum" />
    <g class="slits">
      {SLITS.map((angle) => (
        <path d="M24 6v7" transform={`rotate(${angle} 24 24)`} />
      ))}
    </g>
    <circle cx="24" cy="24" r="4" class="hub" />
  </svg>
);
