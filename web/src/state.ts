/** What the whole page knows: asked once a second while somebody looks. */
import { computed, signal } from "@preact/signals";

import { get, look, objects, problemOf, quoteTable, tokenWanted, type Problem } from "./api";

export interface Topic {
  topic: string;
  table: string;
  received: number;
  accepted: number;
  duplicate: number;
  error: number;
  next_offset: number;
  first_offset: number; // Where the next event stood when the server started.
  landed_offset: number;
  pending: number;
  rows: number;
  files: number;
  version: number;
  stopped: string;
  personal_in_clear: string[]; // Columns.
}

export interface Overview {
  version: string;
  project: string;
  now: string;
  uptime_ms: number;
  taking: boolean;
  why_not: string;
  tokens: boolean;
  queries: number;
  refused: number;
  open_errors: number;
  events: { received: number; accepted: number; duplicate: number; error: number };
  topics: Topic[];
}

/** A second of the recent past; rates are events a second. */
export interface Point {
  at: number; // Milliseconds since 1970.
  received: number;
  landed: number | null; // null: before this page looked.
  error: number;
  topics: Map<string, number>;
}

const POINTS_MAX = 300;

export const overview = signal<Overview | null>(null);
export const unreachable = signal<Problem | null>(null);
export const points = signal<Point[]>([]);
export const paused = signal(false);
/** When each topic's offset last moved, by this page's clock. */
export const lastMoved = signal<Map<string, number>>(new Map());
/** Whether what was taken stands in the tables; null while it is not known. */
export const balanced = signal<boolean | null>(null);

export const latest = computed(() => points.value.at(-1));
export const eventTopics = computed(
  () => overview.value?.topics.filter((topic) => !topic.table.startsWith("system.")) ?? [],
);

const sum = (topics: Topic[], of: (topic: Topic) => number) => topics.reduce((n, topic) => n + of(topic), 0);
const isEvents = (topic: Topic) => !topic.table.startsWith("system.");

/**
 * Counters and offsets are read one after the other, while events come in. Offsets of now must be no fewer than what
 * was counted before, and no more than what is counted a moment later.
 */
function checkBalance(before: Overview, now: Overview): boolean {
  const events = now.events;
  const kept = sum(before.topics.filter(isEvents), (topic) => topic.next_offset - topic.first_offset);
  return (
    events.received >= events.accepted + events.duplicate + events.error &&
    sum(before.topics.filter(isEvents), (topic) => topic.accepted) <= kept &&
    kept <= sum(now.topics.filter(isEvents), (topic) => topic.accepted)
  );
}

function add(now: Overview) {
  const before = overview.value;
  const at = Date.parse(now.now);
  const moved = new Map(lastMoved.value);
  if (before && before.uptime_ms <= now.uptime_ms) {
    const seconds = (at - Date.parse(before.now)) / 1000;
    if (seconds > 0.05) {
      const known = new Map(before.topics.map((topic) => [topic.topic, topic]));
      const rates = new Map<string, number>();
      for (const topic of now.topics) {
        const was = known.get(topic.topic);
        rates.set(topic.topic, Math.max(0, (topic.received - (was?.received ?? 0)) / seconds));
        if (topic.next_offset !== was?.next_offset) moved.set(topic.topic, Date.now());
      }
      const landed = (o: Overview) => sum(o.topics.filter(isEvents), (topic) => topic.landed_offset + 1);
      const point: Point = {
        at,
        received: Math.max(0, (now.events.received - before.events.received) / seconds),
        error: Math.max(0, (now.events.error - before.events.error) / seconds),
        landed: Math.max(0, (landed(now) - landed(before)) / seconds),
        topics: rates,
      };
      points.value = [...points.value.slice(-POINTS_MAX + 1), point];
      balanced.value = checkBalance(before, now);
    }
  } else {
    points.value = []; // The first answer, or the server has started anew.
    balanced.value = null;
    void lookBack(now);
  }
  lastMoved.value = moved;
  overview.value = now;
}

const TABLES_MAX = 20;

/** What came before this page looked, from the rows themselves: those that were accepted. */
async function lookBack(now: Overview) {
  const tables = now.topics.filter(isEvents).sort((a, b) => b.received - a.received).slice(0, TABLES_MAX);
  if (tables.length === 0) return;
  const text = (name: string) => `'${name.replaceAll("'", "''")}'`;
  const sql = tables
    .map(
      (one) =>
        `select ${text(one.topic)} as topic, epoch(date_trunc('second', _received_at))::bigint as second, count(*) as n ` +
        `from ${quoteTable(one.table)} where _received_at >= now()::timestamptz - interval ${POINTS_MAX} second group by 2`,
    )
    .join(" union all ");
  try {
    const found = objects<{ topic: string; second: number; n: number }>(
      await look({ sql, limits: { time_ms: 10_000 } }),
    );
    const last = Math.floor(Date.parse(now.now) / 1000);
    const first = last - Math.min(POINTS_MAX, Math.floor(now.uptime_ms / 1000));
    const before: Point[] = [];
    for (let second = first; second < last; second++) {
      before.push({ at: second * 1000, received: 0, landed: null, error: 0, topics: new Map() });
    }
    const moved = new Map(lastMoved.value);
    for (const row of found) {
      const point = before[row.second - first];
      if (point) {
        point.received += row.n;
        point.topics.set(row.topic, row.n);
      }
      // By this page's clock, which need not be the server's.
      const at = Date.now() - (last - row.second) * 1000;
      if (at > (moved.get(row.topic) ?? 0)) moved.set(row.topic, at);
    }
    points.value = [...before, ...points.value].slice(-POINTS_MAX);
    lastMoved.value = moved;
  } catch {
    // Then the lines begin now.
  }
}

let timer = 0;

async function poll() {
  window.clearTimeout(timer);
  if (!paused.value && document.visibilityState === "visible" && !tokenWanted.value) {
    try {
      add(await get<Overview>("/v1/overview"));
      unreachable.value = null;
    } catch (error) {
      unreachable.value = problemOf(error);
    }
  }
  timer = window.setTimeout(poll, 1000);
}

/** Begins, or asks at once. */
export function refresh() {
  void poll();
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") refresh();
});
