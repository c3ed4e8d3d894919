/** Two texts, line by line: what went, what came, and a few lines around. */

interface Line {
  kind: "same" | "gone" | "new";
  text: string;
}

const LINES_MAX = 1500; // Beyond, the table of common lines would take too much: then all of both are shown.
const AROUND = 3;

export function diffLines(before: string, after: string): Line[] {
  const a = before.split("\n");
  const b = after.split("\n");
  if (a.length > LINES_MAX || b.length > LINES_MAX) {
    return [...a.map((text): Line => ({ kind: "gone", text })), ...b.map((text): Line => ({ kind: "new", text }))];
  }
  // common[i][j]: how many lines a[i…] and b[j…] have in common, in order.
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; --i) {
    for (let j = b.length - 1; j >= 0; --j) {
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const lines: Line[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: "same", text: a[i] });
      ++i;
      ++j;
    } else if (i < a.length && (j === b.length || common[i + 1][j] >= common[i][j + 1])) {
      lines.push({ kind: "gone", text: a[i++] });
    } else {
      lines.push({ kind: "new", text: b[j++] });
    }
  }
  return lines;
}

export function TextDiff({ before, after }: { before: string; after: string }) {
  const lines = diffLines(before, after);
  const near = lines.map((_, at) => lines.slice(Math.max(at - AROUND, 0), at + AROUND + 1).some((line) => line.kind !== "same"));
  if (!near.includes(true)) return <p class="muted pad">The texts are the same.</p>;
  return (
    <pre class="source diff" tabIndex={0} aria-label="Differences of the texts">
      {lines.map((line, at) =>
        near[at] ? (
          <div class={line.kind}>
            <span class="sign">{line.kind === "gone" ? "-" : line.kind === "new" ? "+" : " "}</span>
            {line.text}
          </div>
        ) : (
          near[at - 1] && <div class="gap">…</div>
        ),
      )}
    </pre>
  );
}
