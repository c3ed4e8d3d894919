/** JSON whose numbers stay what they are: an integer beyond 2^53 is a BigInt, and text is never written anew. */

const STRINGS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;
// No column and no field of a schema has such a name.
const MARK = "\u0000whole";
const MARKED = /"\\u0000whole(-?\d+)"/g;

/** As JSON.parse, but for integers that a number cannot hold. */
export function parse(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const marked = text.replace(STRINGS_AND_NUMBERS, (token) =>
    token.length < 16 || !/^-?\d+$/.test(token) || Number.isSafeInteger(Number(token)) ? token : JSON.stringify({ [MARK]: token }),
  );
  return JSON.parse(marked, (_, value) => (typeof value?.[MARK] === "string" ? BigInt(value[MARK]) : value));
}

/** As JSON.stringify, for what `parse` gave. */
export function write(value: unknown, indent = 0): string {
  const text = JSON.stringify(value, (_, one) => (typeof one === "bigint" ? MARK + one : one), indent);
  return text.replace(MARKED, "$1");
}

// Whole texts, marks, and all else up to the next mark or space: numbers and words as they stand.
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** The same JSON with line breaks; what is no JSON comes back as it is. */
export function spread(text: string): string {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  const tokens = text.match(TOKENS) ?? [];
  let depth = 0;
  let out = "";
  const line = () => "\n" + "  ".repeat(depth);
  tokens.forEach((token, i) => {
    const opens = token === "{" || token === "[";
    const closes = token === "}" || token === "]";
    const empty = closes && /[{[]/.test(tokens[i - 1]) && tokens[i - 1].length === 1;
    if (closes) depth--;
    if (closes && !empty) out += line();
    out += token;
    if (opens) depth++;
    if ((opens && !/^[}\]]$/.test(tokens[i + 1])) || token === ",") out += line();
    if (token === ":") out += " ";
  });
  return out;
}

/** The same JSON as one line; what is no JSON comes back as it is. */
export function joined(text: string): string {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  return (text.match(TOKENS) ?? []).join("");
}
