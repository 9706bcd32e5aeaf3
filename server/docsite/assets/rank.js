// Which sections of the documentation answer a question, the best first: pure, so that it
// can be tested without a page.

const split = (text) => text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];

/** prepare takes the index as it came: sections {p, t, i, h, x}, see search.go. */
export function prepare(sections) {
  return sections.map((section) => ({
    ...section,
    title: split(section.t),
    heading: split(section.h ?? ""),
    words: split(section.x),
  }));
}

// A word that is the whole of one counts more than one that begins it, and that more than
// one that is somewhere inside, which names such as sessions_per_second need.
const match = (word, term) =>
  word === term ? 1 : word.startsWith(term) ? 0.6 : term.length > 3 && word.includes(term) ? 0.2 : 0;
const best = (words, term) => words.reduce((most, word) => Math.max(most, match(word, term)), 0);

/**
 * rank returns the sections that have every word of query, the best first, at most `most`
 * of them and at most three of a page.
 */
export function rank(sections, query, most = 20) {
  const terms = split(query);
  if (terms.length === 0) return [];
  const scored = [];
  for (const section of sections) {
    let score = 0;
    for (const term of terms) {
      const title = best(section.title, term);
      const heading = best(section.heading, term);
      let often = 0;
      for (const word of section.words) often += match(word, term);
      // In a long text a word is found more often for no better reason.
      const text = often / (often + 1 + section.words.length / 200);
      // The title of a page is that of its first section; the others have it for context.
      const gain = (section.i ? 3 : 10) * title + 8 * heading + 3 * text;
      if (title + heading + often === 0) {
        score = 0;
        break;
      }
      score += gain;
    }
    if (score > 0) scored.push({ section, score });
  }
  scored.sort((a, b) => b.score - a.score);
  const ofPage = new Map();
  const kept = scored.filter(({ section }) => {
    const n = (ofPage.get(section.p) ?? 0) + 1;
    ofPage.set(section.p, n);
    return n <= 3;
  });
  return kept.slice(0, most).map(({ section }) => section);
}

/** excerpt returns a piece of a section's text around what was asked for: [text, isFound] pairs. */
export function excerpt(section, query, length = 160) {
  const terms = split(query);
  const text = section.x;
  const lower = text.toLowerCase();
  const places = terms.map((term) => lower.indexOf(term)).filter((at) => at >= 0);
  let from = places.length ? Math.max(0, Math.min(...places) - 40) : 0;
  if (from > 0) from = text.indexOf(" ", from) + 1 || from;
  const piece = (from > 0 ? "… " : "") + text.slice(from, from + length) + (from + length < text.length ? " …" : "");
  if (terms.length === 0) return [[piece, false]];
  const found = new RegExp(`(${terms.sort((a, b) => b.length - a.length).join("|")})`, "giu"); // of letters and digits alone
  return piece.split(found).map((part, i) => [part, i % 2 === 1]);
}
