// Which of two memories a tile of side A reads at a spot; MIXED where each line has to look for itself.
const MIXED = 0u;
const FIRST = 1u;
const SECOND = 2u;
