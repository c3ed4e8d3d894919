/** Events as they come. */
import { useEffect, useRef, useState } from "preact/hooks";

import { objects, problemOf, query, quoteTable, type Problem } from "../api";
import { cell, clock, count, time } from "../format";
import { copy, Command, Empty, Icon, ProblemNote } from "../parts/ui";
import { go, link, route } from "../route";
import { eventTopics, overview } from "../state";

type Row = Record<string, unknown> & { _offset: number; _partition: number; _received_at: string };

const ROWS_MAX = 300;
const ASK_EVERY_MS = 700;
const OURS = /^(_|event_date$|event_time$|event_time_sent$)/;

/** Follows a table: the newest rows, then what stands behind them. */
function useTail(table: string | undefined, filter: string, follow: boolean) {
  const [rows, setRows] = useState<Row[]>([]);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [missed, setMissed] = useState(0);
  useEffect(() => {
    setRows([]);
    setProblem(null);
    setMissed(0);
  }, [table, filter]);
  const newest = useRef(-1);
  useEffect(() => {
    newest.current = -1;
  }, [table, filter]);
  useEffect(() => {
    if (!table || !follow) return;
    const abort = new AbortController();
    let timer = 0;
    const step = async () => {
      if (document.visibilityState === "visible") {
        try {
          const behind = newest.current >= 0 ? `_offset > ${newest.current}` : "true";
          const where = filter.trim() ? ` and (${filter}\n)` : "";
          const found = objects<Row>(
            await query(
              {
                sql: `select * from ${quoteTable(table)} where ${behind}${where} order by _offset desc limit ${ROWS_MAX}`,
                id: `page-tail-${crypto.randomUUID().slice(0, 13)}`,
                limits: { time_ms: 10_000 },
              },
              abort.signal,
            ),
          );
          if (abort.signal.aborted) return;
          setProblem(null);
          if (found.length > 0) {
            const first = newest.current < 0;
            newest.current = Number(found[0]._offset);
            if (!first && found.length === ROWS_MAX) setMissed((n) => n + 1);
            setRows((before) => [...found.slice(0, first ? 100 : ROWS_MAX), ...before].slice(0, ROWS_MAX));
          }
        } catch (error) {
          if (abort.signal.aborted) return;
          setProblem(problemOf(error));
        }
      }
      timer = window.setTimeout(step, ASK_EVERY_MS);
    };
    void step();
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [table, filter, follow]);
  return { rows, problem, missed };
}

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
          <button class="tiny" onClick={() => void copy(JSON.stringify(row, null, 2))}>
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
  const busiest = [...topics].sort((a, b) => b.received - a.received)[0]?.topic;
  const topic = route.value[1] ?? busiest;
  const table = topics.find((one) => one.topic === topic)?.table;
  const [follow, setFollow] = useState(true);
  const [draft, setDraft] = useState("");
  const [filter, setFilter] = useState("");
  const [picked, setPicked] = useState<Row | null>(null);
  const { rows, problem, missed } = useTail(table, filter, follow);
  useEffect(() => setPicked(null), [table]);

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
          <span class={`pill ${follow ? "good" : ""}`}>
            <span class={`dot ${follow ? "live" : ""}`} /> {follow ? "following" : "paused"}
          </span>
          <button onClick={() => setFollow(!follow)} aria-pressed={!follow}>
            <Icon name={follow ? "pause" : "play"} /> {follow ? "Pause" : "Follow"}
          </button>
        </div>
      </div>
      {problem && <ProblemNote problem={problem} />}
      {missed > 0 && <div class="note warn small">More come than are shown: at most {ROWS_MAX} each time.</div>}
      <div class={`tail-layout ${picked ? "open" : ""}`}>
        <section class="card fit" aria-label="Events">
          {rows.length === 0 ? (
            table ? (
              <Empty icon="live" title={filter ? "No event fits the filter" : "No event yet"}>
                {filter ? (
                  <button onClick={() => (setFilter(""), setDraft(""))}>Clear the filter</button>
                ) : (
                  <Command text={`sluice generate ${topic} --count 10 | sluice send -`} />
                )}
              </Empty>
            ) : (
              <Empty icon="topics" title={overview.value ? "No topic yet" : "Asking the server …"}>
                {overview.value && (
                  <>
                    <p>
                      A schema makes one: <a href={link("topics")}>try one here</a>, or
                    </p>
                    <Command text="sluice schema add order.capnp" />
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
                  {rows.map((row) => (
                    <tr
                      key={`${row._partition}/${row._offset}`}
                      class={`pick fresh ${picked?._offset === row._offset ? "picked" : ""}`}
                      onClick={() => setPicked(row)}
                    >
                      <td>{clock(row._received_at)}</td>
                      <td class="number">
                        <button class="link mono">
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
            </div>
          )}
        </section>
        {picked && topic && <Detail row={picked} topic={topic} close={() => setPicked(null)} />}
      </div>
    </div>
  );
}
