/** Events as they come. */
import type { TargetedKeyboardEvent } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { look, objects, problemOf, quoteTable, type Problem } from "../api";
import { firstTopic, madeUp } from "../commands";
import { cell, clock, count, time } from "../format";
import { write } from "../json";
import { copy, Command, Commands, Empty, Icon, ProblemNote } from "../parts/ui";
import { go, link, route } from "../route";
import { eventTopics, overview, paused, refresh } from "../state";

type Row = Record<string, unknown> & { _offset: number; _partition: number; _received_at: string };

const ROWS_MAX = 300;
const FIRST_ROWS = 100;
/** How many of the newest events are looked at, however many there are. */
const LOOK = 10_000;
const FURTHER = 10; // Times as many as were looked at before.
const TICK_MS = 250; // No query, unless there is something new.
const AGAIN_MS = 3000;
const OURS = /^(_|event_date$|event_time$|event_time_sent$)/;

/** Offsets that were looked at: those from `from` to before `to`, but for what was skipped. */
interface Looked {
  from: number;
  to: number;
  events: number;
}

async function read(table: string, filter: string, from: number, to: number, abort?: AbortSignal): Promise<Row[]> {
  const where = filter.trim() ? ` and (${filter}\n)` : "";
  const sql = `select * from ${quoteTable(table)} where _offset >= ${from} and _offset < ${to}${where} order by _offset desc limit ${ROWS_MAX}`;
  return objects<Row>(await look({ sql, limits: { time_ms: 10_000 } }, abort));
}

/** Where the table's next event will stand, as the overview has it. */
const endOf = (table: string) => overview.peek()?.topics.find((topic) => topic.table === table)?.next_offset;

/** Whether the same question may end otherwise a moment later. */
const passes = (problem: Problem) => problem.code === "unreachable" || problem.status === 429 || problem.status === 503;

/** Follows a table: the newest rows, then what comes behind them. No query reads more than LOOK events. */
function useTail(table: string | undefined, filter: string, follow: boolean) {
  const [rows, setRows] = useState<Row[]>([]);
  const [looked, setLooked] = useState<Looked | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [missed, setMissed] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const [busy, setBusy] = useState(false);
  const seen = useRef<Looked | null>(null);
  const saw = (now: Looked | null) => {
    seen.current = now;
    setLooked(now);
  };
  useEffect(() => {
    setRows([]);
    setProblem(null);
    setMissed(false);
    setBusy(false);
    saw(null);
  }, [table, filter]);
  useEffect(() => {
    if (!table || !follow) return;
    const abort = new AbortController();
    let timer = 0;
    const step = async () => {
      let wait = TICK_MS;
      const end = endOf(table);
      if (seen.current && end !== undefined && end < seen.current.to) {
        saw(null); // The topic was made anew.
        setRows([]);
      }
      const before = seen.current;
      if (document.visibilityState === "visible" && end && end !== before?.to) {
        const from = Math.max(0, end - LOOK, before?.to ?? 0);
        try {
          const found = await read(table, filter, from, end, abort.signal);
          if (abort.signal.aborted) return;
          setProblem(null);
          // What lies further back may have been looked at meanwhile.
          const now = before && seen.current;
          saw({ from: now ? now.from : from, to: end, events: (now?.events ?? 0) + end - from });
          if (before && (from > before.to || found.length === ROWS_MAX)) setMissed(true);
          setRows((shown) => [...found.slice(0, before ? ROWS_MAX : FIRST_ROWS), ...shown].slice(0, ROWS_MAX));
        } catch (error) {
          if (abort.signal.aborted) return;
          setProblem(problemOf(error));
          if (!passes(problemOf(error))) return;
          wait = AGAIN_MS;
        }
      }
      timer = window.setTimeout(step, wait);
    };
    void step();
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [table, filter, follow, attempt]);
  const asked = useRef("");
  asked.current = `${table}\n${filter}`;
  const lookBack = async () => {
    const at = seen.current;
    if (!table || !at) return;
    const of = asked.current;
    setBusy(true);
    setProblem(null);
    try {
      const from = Math.max(0, at.from - FURTHER * at.events);
      const found = await read(table, filter, from, at.from);
      if (asked.current !== of || !seen.current) return;
      saw({ ...seen.current, from, events: seen.current.events + at.from - from });
      setRows((shown) => [...shown, ...found].slice(0, ROWS_MAX));
    } catch (error) {
      if (asked.current === of) setProblem(problemOf(error));
    }
    setBusy(false);
  };
  return { rows, looked, problem, missed, busy, lookBack, again: () => (setProblem(null), setAttempt((n) => n + 1)) };
}

const DOTS = "••••••";

/** The event as it may be looked at: dots for personal data that is stored in clear. */
const covered = (row: Row, hidden: Set<string>): Row =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, hidden.has(name) && value !== null ? DOTS : value])) as Row;

function Content({ row }: { row: Row }) {
  const parts = Object.entries(row).filter(([name, value]) => !OURS.test(name) && value !== null);
  return (
    <>
      {parts.map(([name, value], i) => (
        <>
          {i > 0 && "  "}
          <span class="k">{name}</span> {cell(value)}
        </>
      ))}
    </>
  );
}

function Detail({ row, topic, close }: { row: Row; topic: string; close: () => void }) {
  const content = Object.entries(row).filter(([name]) => !OURS.test(name));
  const rest = Object.entries(row).filter(([name, value]) => OURS.test(name) && value !== null);
  return (
    <aside class="card fit" aria-label="The event">
      <header>
        <h2>Offset {count(row._offset)}</h2>
        <div class="actions">
          <button class="tiny" onClick={() => void copy(write(row, 2))}>
            <Icon name="copy" /> JSON
          </button>
          <button class="quiet tiny" aria-label="Close" onClick={close}>
            <Icon name="close" />
          </button>
        </div>
      </header>
      <div class="grid-wrap body stack" tabIndex={0} role="region" aria-label="Fields of the event">
        <dl class="fields">
          {content.map(([name, value]) => (
            <>
              <dt>{name}</dt>
              <dd class={value === null ? "muted" : ""}>{cell(value)}</dd>
            </>
          ))}
        </dl>
        <h2 class="muted">Envelope</h2>
        <dl class="fields">
          {rest.map(([name, value]) => (
            <>
              <dt>{name}</dt>
              <dd>{/_at$|time/.test(name) ? time(String(value), true) : cell(value)}</dd>
            </>
          ))}
        </dl>
        <button class="tiny" onClick={() => go("topics", topic)}>
          <Icon name="topics" /> Schema of {topic}
        </button>
      </div>
    </aside>
  );
}

export function Live() {
  const topics = eventTopics.value;
  // A server that has just started has received nothing yet.
  const busiest = [...topics].sort((a, b) => b.received - a.received || b.next_offset - a.next_offset)[0]?.topic;
  const topic = route.value[1] ?? busiest;
  const table = topics.find((one) => one.topic === topic)?.table;
  const [follow, setFollow] = useState(true);
  const [draft, setDraft] = useState("");
  const [filter, setFilter] = useState("");
  const [picked, setPicked] = useState<Row | null>(null);
  const { rows: found, looked, problem, missed, busy, lookBack, again } = useTail(table, filter, follow);
  const personal = topics.find((one) => one.topic === topic)?.personal_in_clear ?? [];
  const [clear, setClear] = useState(false);
  useEffect(() => (setPicked(null), setClear(false)), [table]);
  const hidden = new Set(clear ? [] : personal);
  const rows = hidden.size ? found.map((row) => covered(row, hidden)) : found;
  const follows = follow && !paused.value;
  const more = looked !== null && looked.from > 0 && rows.length < ROWS_MAX;
  const back = (
    <button disabled={busy} onClick={() => void lookBack()}>
      {busy ? "Looking …" : "Look further back"}
    </button>
  );

  const tabbable = rows.some((row) => row._offset === picked?._offset) ? picked?._offset : rows[0]?._offset;
  /** One stop of the Tab key for all rows; arrows go through them, Escape closes the event. */
  const press = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    if (event.key === "Escape" && picked) {
      event.currentTarget.querySelector<HTMLElement>("tr.picked button")?.focus();
      setPicked(null);
      return;
    }
    const row = (event.target as HTMLElement).closest<HTMLElement>("tr.pick");
    const to = event.key === "ArrowDown" ? row?.nextElementSibling : event.key === "ArrowUp" ? row?.previousElementSibling : null;
    if (!(to instanceof HTMLTableRowElement)) return;
    event.preventDefault();
    to.querySelector<HTMLElement>("button")?.focus();
    if (picked) setPicked(found[to.sectionRowIndex] ?? null);
  };

  return (
    <div class="content fill">
      <div class="head">
        <h1>Live</h1>
        {topics.length > 0 && (
          <select
            aria-label="Topic"
            value={topic}
            onChange={(event) => go("live", event.currentTarget.value)}
          >
            {topics.map((one) => (
              <option value={one.topic}>{one.topic}</option>
            ))}
          </select>
        )}
        {topics.length > 0 && (
          <form
            class="row grow"
            onSubmit={(event) => {
              event.preventDefault();
              setFilter(draft);
            }}
          >
            <input
              class="grow mono"
              aria-label="Filter, a condition in SQL"
              placeholder="where …   user_id = 7 and page like '/p/%'"
              value={draft}
              onInput={(event) => setDraft(event.currentTarget.value)}
            />
            {filter && (
              <button type="button" class="quiet" onClick={() => (setFilter(""), setDraft(""))}>
                Clear
              </button>
            )}
          </form>
        )}
        <div class="actions">
          {personal.length > 0 && (
            <button onClick={() => setClear(!clear)} aria-pressed={clear} title={`Stored in clear: ${personal.join(", ")}`}>
              <Icon name="lock" /> {clear ? "Hide personal data" : "Show personal data"}
            </button>
          )}
          <span class={`pill ${follows ? "good" : ""}`}>
            <span class={`dot ${follows ? "live" : ""}`} /> {follows ? "following" : "paused"}
          </span>
          <button
            onClick={() => {
              setFollow(!follows);
              if (paused.value) {
                paused.value = false;
                refresh();
              }
            }}
            aria-pressed={!follows}
          >
            <Icon name={follows ? "pause" : "play"} /> {follows ? "Pause" : "Follow"}
          </button>
        </div>
      </div>
      {problem && <ProblemNote problem={problem} />}
      {problem && !passes(problem) && (
        <div class="row">
          <button onClick={again}>
            <Icon name="retry" /> Ask again
          </button>
        </div>
      )}
      {missed && <div class="note warn small">More come than are shown: at most {ROWS_MAX} each time.</div>}
      <div class={`tail-layout ${picked ? "open" : ""}`} onKeyDown={press}>
        <section class="card fit" aria-label="Events">
          {rows.length === 0 ? (
            table && !looked ? (
              endOf(table) ? (
                <Empty icon="live" title={problem ? "Not known" : "Looking …"} />
              ) : (
                <Empty icon="live" title="No event yet">
                  <p>Some made up by its schema, where the project's folder is:</p>
                  <Command text={madeUp(topic)} />
                </Empty>
              )
            ) : table && looked ? (
              <Empty icon="live" title={filter ? "No event fits the filter" : "No event is left here"}>
                <p>
                  Looked at {looked.from > 0 ? `the newest ${count(looked.events)} events` : `all ${count(looked.to)} events`}.
                </p>
                <div class="row">
                  {more && back}
                  {filter && <button onClick={() => (setFilter(""), setDraft(""))}>Clear the filter</button>}
                </div>
              </Empty>
            ) : overview.value && topic && topics.length > 0 ? (
              <Empty icon="topics" title="There is no such topic">
                <p>
                  <a href={link("topics")}>All topics</a>, or the one with the most events:
                </p>
                <a class="button" href={link("live", busiest!)}>
                  {busiest}
                </a>
              </Empty>
            ) : (
              <Empty icon="topics" title={overview.value ? "No topic yet" : "Asking the server …"}>
                {overview.value && (
                  <>
                    <p>
                      A schema makes one: <a href={link("topics")}>try one here</a>, or make one from events:
                    </p>
                    <Commands of={firstTopic()} />
                  </>
                )}
              </Empty>
            )
          ) : (
            <div class="grid-wrap" tabIndex={0} role="region" aria-label="Events, newest first">
              <table class="events">
                <thead>
                  <tr>
                    <th>Received</th>
                    <th class="number">Offset</th>
                    <th>Event</th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((row, at) => (
                    <tr
                      key={`${row._partition}/${row._offset}`}
                      class={`pick fresh ${picked?._offset === row._offset ? "picked" : ""}`}
                      onClick={() => setPicked(found[at])}
                    >
                      <td>{clock(row._received_at)}</td>
                      <td class="number">
                        <button class="link mono" tabIndex={row._offset === tabbable ? 0 : -1}>
                          {count(row._offset)}
                        </button>
                      </td>
                      <td class="wide">
                        <Content row={row} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {more && (
                <p class="row small muted pad">
                  {filter ? `Those that fit among the newest ${count(looked.events)}.` : `Of the newest ${count(looked.events)}.`} {back}
                </p>
              )}
            </div>
          )}
        </section>
        {picked && topic && <Detail row={covered(picked, hidden)} topic={topic} close={() => setPicked(null)} />}
      </div>
    </div>
  );
}
