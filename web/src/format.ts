/** Numbers, sizes and times as people read them. */
import { signal } from "@preact/signals";

import { write } from "./json";

export const utc = signal(stored("sluice.utc") !== "local");

function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function toggleUtc() {
  utc.value = !utc.value;
  try {
    localStorage.setItem("sluice.utc", utc.value ? "utc" : "local");
  } catch {
    // It holds until the page is closed.
  }
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (n: number) => whole.format(n);
export const compact = (n: number) => (Math.abs(n) < 10_000 ? whole.format(n) : short.format(n));
export const rate = (n: number) => (n === 0 ? "0" : n < 10 ? n.toFixed(1) : compact(Math.round(n)));

export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) {
    n /= 1000;
    i++;
  }
  return `${i === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)} ${units[i]}`;
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 0.001) return "< 1 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** A moment as the switch says: UTC or where this browser is; `asUtc` whatever it says. Milliseconds only where asked for. */
export function time(moment: string | number | Date, milliseconds = false, asUtc = false): string {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return String(moment);
  const pad = (n: number, width = 2) => String(n).padStart(width, "0");
  const [y, mo, d, h, mi, s, ms] = asUtc || utc.value
    ? [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(),
       date.getUTCSeconds(), date.getUTCMilliseconds()]
    : [date.getFullYear(), date.getMonth(), date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds(),
       date.getMilliseconds()];
  const clock = `${pad(h)}:${pad(mi)}:${pad(s)}${milliseconds ? "." + pad(ms, 3) : ""}`;
  return `${y}-${pad(mo + 1)}-${pad(d)} ${clock}`;
}

export const clock = (moment: string | number | Date) => time(moment, true).slice(11);

export function ago(seconds: number): string {
  return seconds < 1.5 ? "just now" : `${duration(seconds)} ago`;
}

/** A value of a result, as text of a cell. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "object") return write(value);
  return String(value);
}
