/** What of a result can be drawn. */
import type { Result } from "../api";

/** Whether values of this (Arrow) type are numbers: not those of structs, lists or intervals, which name such types. */
export const isNumber = (type: string) => /^(u?int\d|float|double|halffloat|decimal)/.test(type);
export const isTime = (type: string) => /^(timestamp|date)/.test(type);

/** Of a timestamp without zone, the clock that it shows; of others, the moment. In seconds; null where it is none. */
function second(value: unknown): number | null {
  const text = String(value);
  const milliseconds = Date.parse(/T[\d:.]+$/.test(text) ? text + "Z" : text);
  return Number.isFinite(milliseconds) ? milliseconds / 1000 : null;
}

/** null where there is nothing to draw: null is not 0. */
function number(value: unknown): number | null {
  if (typeof value !== "number" && typeof value !== "bigint" && typeof value !== "string") return null;
  const found = Number(value);
  return value !== "" && Number.isFinite(found) ? found : null;
}

/** The first column as x, in order, and `columns` as lines over it. */
export function lines(result: Result, columns: number[]): (number | null)[][] {
  const of = isTime(result.columns[0].type) ? second : number;
  const rows = result.rows
    .map((row) => [of(row[0]), row] as const)
    .filter((one): one is [number, unknown[]] => one[0] !== null)
    .sort(([a], [b]) => a - b);
  return [rows.map(([x]) => x), ...columns.map((i) => rows.map(([, row]) => number(row[i])))];
}

export { number as drawn };
