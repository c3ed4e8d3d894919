/** Ask in SQL. */
import { useEffect, useRef, useState } from "preact/hooks";

import { ask, look, objects, problemOf, query, type Diagnostic, type Problem, type Result } from "../api";
import { bytes, cell, count, duration } from "../format";
import { LineChart } from "../parts/chart";
import { Dialog } from "../parts/dialogs";
import type { Catalog, Editor } from "../parts/editor";
import { drawn, isNumber, isTime, lines } from "../parts/points";
import { changesRows, onlyReads } from "../parts/statement";
import { Empty, Icon, ProblemNote, Tabs, toast } from "../parts/ui";
import { link } from "../route";
import { overview, refresh } from "../state";

const ROWS_MAX = 10_000;
const SHOWN_MAX = 500;
const KEPT_MAX = 50;

interface Past {
  sql: string;
  at: number;
  rows: number | null; // null: it failed.
  seconds: number;
}

function recall<T>(key: string, otherwise: T): T {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "") as T;
  } catch {
    return otherwise;
  }
}

function keep(key: string, value: unknown) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Full, or none: then nothing is kept.
  }
}

interface ColumnOf {
  schema: string;
  table: string;
  name: string;
  type: string;
}

const rowsText = (n: number) => `${count(n)} ${n === 1 ? "row" : "rows"}`;

const CATALOG_EVERY_MS = 10_000;

/**
 * Tables with their columns, by one query: when there are other tables or `again` is another, and a while after a table
 * has another version, as that may have other columns. null: not known yet.
 */
function useCatalog(again: number) {
  const [columns, setColumns] = useState<ColumnOf[] | null>(null);
  const tables = overview.value?.topics ?? [];
  const names = `${again} ${tables.map((topic) => topic.table).sort().join()}`;
  const versions = tables.map((topic) => `${topic.table}@${topic.version}`).sort().join();
  const asked = useRef({ names: "", at: 0 });
  useEffect(() => {
    if (tables.length === 0) return;
    let gone = false;
    const wait = asked.current.names === names ? Math.max(0, asked.current.at + CATALOG_EVERY_MS - Date.now()) : 0;
    const timer = window.setTimeout(async () => {
      asked.current = { names, at: Date.now() };
      try {
        const found = await look({ sql: "select table_name, column_name, type from system.columns" });
        if (gone) return;
        setColumns(
          objects<{ table_name: string; column_name: string; type: string }>(found).map((row) => {
            const [schema, ...table] = row.table_name.split(".");
            return { schema, table: table.join("."), name: row.column_name, type: row.type };
          }),
        );
      } catch {
        if (!gone) setColumns((before) => before ?? []);
      }
    }, wait);
    return () => {
      gone = true;
      window.clearTimeout(timer);
    };
  }, [names, versions]);
  return columns;
}

/** Its columns are made when it is opened: there may be a thousand tables. */
function CatalogTable(props: { schema: string; table: string; columns: ColumnOf[]; insert: (text: string) => void }) {
  const [open, setOpen] = useState(false);
  const { schema, table, insert } = props;
  return (
    <details class="table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary onDblClick={() => insert(`${schema}.${table}`)}>
        <span title={`${schema}.${table}: twice to insert`}>{table}</span>
      </summary>
      {open &&
        props.columns.map((column) => (
          <button class="column" onClick={() => insert(column.name)} title={column.type}>
            {column.name} <em>{column.type}</em>
          </button>
        ))}
    </details>
  );
}

function CatalogTree({ columns, insert }: { columns: ColumnOf[] | null; insert: (text: string) => void }) {
  const schemas = Map.groupBy(columns ?? [], (column) => column.schema);
  return (
    <div class="catalog" tabIndex={0} role="region" aria-label="Catalog">
      {columns === null && <p class="muted small">Reading the catalog …</p>}
      {columns?.length === 0 && <p class="muted small">The catalog cannot be read.</p>}
      {[...schemas].map(([schema, of]) => (
        <details class="schema" open={schema !== "system"}>
          <summary>{schema}</summary>
          {[...Map.groupBy(of, (column) => column.table)].map(([table, inTable]) => (
            <CatalogTable key={table} schema={schema} table={table} columns={inTable} insert={insert} />
          ))}
        </details>
      ))}
    </div>
  );
}

function Grid({ result }: { result: Result }) {
  const numeric = result.columns.map((column) => isNumber(column.type));
  return (
    <div class="grid-wrap" tabIndex={0} role="region" aria-label="Results">
      <table class="data">
        <thead>
          <tr>
            {result.columns.map((column, i) => (
              <th class={numeric[i] ? "number" : ""}>
                {column.name}
                <span>{column.type}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {result.rows.slice(0, SHOWN_MAX).map((row) => (
            <tr>
              {row.map((value, i) => (
                <td class={`${value === null ? "null" : ""} ${numeric[i] ? "number" : ""}`} title={cell(value)}>
                  {cell(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {result.rows.length > SHOWN_MAX && (
        <p class="small muted" style={{ padding: "10px 14px" }}>
          The first {count(SHOWN_MAX)} of {count(result.rows.length)} rows; a download has them all.
        </p>
      )}
    </div>
  );
}

/** Lines where the first column is a time or number, else bars; columns of numbers are what is drawn. */
function ResultChart({ result }: { result: Result }) {
  const numbers = result.columns
    .map((column, i) => ({ ...column, i }))
    .filter((column) => column.i > 0 && isNumber(column.type));
  if (numbers.length === 0 || result.rows.length === 0) {
    return (
      <Empty icon="overview" title="Nothing to draw">
        <p>The first column is the axis; at least one more must be a number.</p>
      </Empty>
    );
  }
  const first = result.columns[0];
  if (isTime(first.type) || isNumber(first.type)) {
    const shown = numbers.slice(0, 5);
    return (
      <div class="drawn">
        <LineChart
          time={isTime(first.type)}
          wall={/^timestamp\[\w+\]$|^date/.test(first.type)}
          label={`${numbers.map((n) => n.name).join(", ")} over ${first.name}`}
          data={lines(result, shown.map((n) => n.i))}
          series={shown.map((n, i) => ({ label: n.name, color: `--series-${i + 1}` }))}
        />
        <div class="legend" style={{ padding: "0 16px 12px" }}>
          {shown.map((n, i) => (
            <span>
              <i style={{ background: `var(--series-${i + 1})` }} />
              {n.name}
            </span>
          ))}
        </div>
      </div>
    );
  }
  const column = numbers[0];
  const rows = result.rows.slice(0, 40);
  const max = Math.max(...rows.map((row) => drawn(row[column.i]) ?? 0), 0.000001);
  return (
    <div class="bars" role="img" aria-label={`${column.name} by ${first.name}`}>
      {rows.map((row) => (
        <>
          <span>{cell(row[0])}</span>
          <div class="track">
            <div style={{ width: `${Math.max(0, ((drawn(row[column.i]) ?? 0) / max) * 100)}%` }} />
          </div>
          <span class="right">{cell(row[column.i])}</span>
        </>
      ))}
    </div>
  );
}

const FORMS = [
  ["csv", "text/csv"],
  ["json", "application/json"],
  ["parquet", "application/vnd.apache.parquet"],
  ["arrow", "application/vnd.apache.arrow.stream"],
] as const;

/** What gave the answer that is shown. */
interface Ran {
  sql: string;
  asOf: string;
}

/** Runs it once more, in another form: only for what changes nothing. */
async function download({ sql, asOf }: Ran, form: string, type: string) {
  try {
    const answer = await ask("/v1/sql", {
      method: "POST",
      body: JSON.stringify({ sql, ...(asOf && { as_of: asOf }) }),
      type: "application/json",
      accept: type,
    });
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(await answer.blob());
    anchor.download = `result.${form}`;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
  } catch (error) {
    toast(problemOf(error).detail);
  }
}

type Tab = "results" | "chart" | "history";

export function Sql() {
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | null>(null);
  const [changes, setChanges] = useState(0);
  const columns = useCatalog(changes);
  const [asOf, setAsOf] = useState("");
  const [tab, setTab] = useState<Tab>("results");
  const [result, setResult] = useState<Result | null>(null);
  const [ran, setRan] = useState<Ran | null>(null);
  const [sure, setSure] = useState<string | null>(null); // A statement that waits for a yes.
  const [seconds, setSeconds] = useState(0);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [running, setRunning] = useState<{ id: string; since: number } | null>(null);
  const [progress, setProgress] = useState("");
  const [past, setPast] = useState<Past[]>(() => recall("sluice.queries", []));
  const abort = useRef<AbortController | null>(null);
  const runRef = useRef(() => {});

  const run = () => {
    const text = editor.current?.toRun().trim().replace(/;\s*$/, "") ?? "";
    if (!text || running) return;
    if (changesRows(text)) setSure(text);
    else void start(text, asOf.trim());
  };
  const start = async (text: string, when: string) => {
    const id = `sql-${crypto.randomUUID()}`;
    const since = performance.now();
    abort.current = new AbortController();
    setRunning({ id, since });
    setProblem(null);
    setProgress("");
    editor.current?.mark([], text);
    let rows: number | null = null;
    try {
      const found = await query(
        { sql: text, id, limits: { rows: ROWS_MAX }, ...(when && { as_of: when }) },
        abort.current.signal,
      );
      rows = found.row_count ?? found.rows.length;
      setResult(found);
      setRan({ sql: text, asOf: when });
      setTab((now) => (now === "history" ? "results" : now));
    } catch (error) {
      const what = problemOf(error);
      if ((error as Error).name === "AbortError") what.detail = "stopped";
      if (what.code === "SL2203") what.detail += `: end it with "limit ${ROWS_MAX}", or ask for fewer`;
      setProblem(what);
      setTab("results");
      const marks: Diagnostic[] = what.diagnostics ?? (what.line ? [{ message: what.detail, code: what.code, line: what.line, column: what.column }] : []);
      editor.current?.mark(marks, text);
    }
    const took = (performance.now() - since) / 1000;
    setSeconds(took);
    setRunning(null);
    if (changesRows(text)) {
      setChanges((n) => n + 1);
      refresh();
    }
    setPast((before) => {
      const now = [{ sql: text, at: Date.now(), rows, seconds: took }, ...before.filter((one) => one.sql !== text)].slice(0, KEPT_MAX);
      keep("sluice.queries", now);
      return now;
    });
  };
  runRef.current = run;

  const cancel = () => {
    if (!running) return;
    void ask(`/v1/queries/${running.id}`, { method: "DELETE" }).catch(() => abort.current?.abort());
  };

  // How far a query is that takes its time.
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(async () => {
      const took = duration((performance.now() - running.since) / 1000);
      try {
        const state = (await (await ask(`/v1/queries/${running.id}`)).json()) as { rows: number; bytes: number };
        setProgress(`${took}, ${count(state.rows)} rows, ${bytes(state.bytes)}`);
      } catch {
        setProgress(took);
      }
    }, 500);
    return () => clearInterval(timer);
  }, [running]);

  useEffect(() => {
    let gone = false;
    void import("../parts/editor").then(({ mountEditor }) => {
      if (gone || !host.current) return;
      const first = overview.value?.topics.find((topic) => topic.table.startsWith("bronze."))?.table ?? "system.tables";
      editor.current = mountEditor(host.current, {
        text: recall("sluice.draft", `select *\nfrom ${first}\nlimit 100`),
        run: () => runRef.current(),
        change: (text) => keep("sluice.draft", text),
      });
      editor.current.focus();
    });
    return () => {
      gone = true;
      editor.current?.destroy();
      editor.current = null;
    };
  }, []);

  useEffect(() => {
    let timer = 0;
    const give = () => {
      if (!editor.current) return void (timer = window.setTimeout(give, 100));
      const catalog: Catalog = {};
      for (const column of columns ?? []) ((catalog[column.schema] ??= {})[column.table] ??= []).push(column.name);
      editor.current.setCatalog(catalog);
    };
    if (columns?.length) give();
    return () => window.clearTimeout(timer);
  }, [columns]);

  return (
    <div class="content fill">
      <div class="head">
        <h1>SQL</h1>
        <span class="muted small">Tables and what has not landed yet, as one.</span>
        <div class="actions">
          <label class="row small muted">
            As of
            <input
              style={{ width: "250px" }}
              placeholder="now, 42, 2026-01-05T10:00:00Z"
              value={asOf}
              onInput={(event) => setAsOf(event.currentTarget.value)}
            />
          </label>
          {running ? (
            <button class="danger" onClick={cancel}>
              <Icon name="stop" /> Cancel
            </button>
          ) : (
            <button class="primary" onClick={run}>
              <Icon name="play" /> Run <span class="hidden-text" id="editor-keys">Control Enter runs; Escape then Tab leaves the editor</span>
            </button>
          )}
        </div>
      </div>
      <Dialog open={sure !== null} close={() => setSure(null)} label="This changes rows">
        <div class="body">
          <h1>This changes rows</h1>
          <p class="muted">It is one commit, and the table keeps its version from before; there is no undo here.</p>
          <pre class="source" tabIndex={0}>
            {sure}
          </pre>
          <div class="row">
            <span class="grow" />
            <button autofocus onClick={() => setSure(null)}>
              Leave it
            </button>
            <button class="danger" onClick={() => (setSure(null), void start(sure!, asOf.trim()))}>
              <Icon name="play" /> Run it
            </button>
          </div>
        </div>
      </Dialog>
      <div class="sql-layout">
        <div class="card fit catalog-card">
          <CatalogTree columns={columns} insert={(text) => editor.current?.insert(text)} />
        </div>
        <div class="sql-main">
          <div class="card editor">
            <div class="editor-host" ref={host} />
          </div>
          {problem && <ProblemNote problem={problem} />}
          <section class="card results" aria-label="Answer">
            <header>
              <Tabs
                label="Answer"
                now={tab}
                pick={setTab}
                of={[["results", "Results"], ["chart", "Chart"], ["history", "History"]] as const}
              />
              <span class="small muted" role="status">
                {running ? `running ${progress}` : result && !problem ? `${rowsText(result.row_count)} in ${duration(seconds)}` : ""}
              </span>
              <div class="actions">
                {tab === "history" && past.length > 0 && (
                  <button class="tiny" onClick={() => (setPast([]), keep("sluice.queries", []))}>
                    Forget all
                  </button>
                )}
                {tab !== "history" && result && !problem && ran && onlyReads(ran.sql) &&
                  FORMS.map(([form, type]) => (
                    <button
                      class="quiet tiny"
                      onClick={() => void download(ran, form, type)}
                      aria-label={`Download as ${form}`}
                      title={`Asks again${ran.asOf && `, as of ${ran.asOf}`}, for all rows`}
                    >
                      <Icon name="download" /> {form}
                    </button>
                  ))}
              </div>
            </header>
            {tab === "history" ? (
              past.length === 0 ? (
                <Empty icon="clock" title="No query yet">
                  <p>What you run stands here, in this browser alone.</p>
                  <button onClick={run}>
                    <Icon name="play" /> Run what stands above
                  </button>
                </Empty>
              ) : (
                <ul class="history">
                  {past.map((one) => (
                    <li>
                      <code title={one.sql}>{one.sql.replace(/\s+/g, " ")}</code>
                      <span class={`small ${one.rows === null ? "" : "muted"}`}>
                        {one.rows === null ? "failed" : rowsText(one.rows)}, {duration(one.seconds)}
                      </span>
                      <button class="tiny" onClick={() => (editor.current?.setText(one.sql), editor.current?.focus())}>
                        Open
                      </button>
                    </li>
                  ))}
                </ul>
              )
            ) : !result || problem ? (
              !problem && (
                <Empty icon="sql" title="Ask something">
                  <p>
                    <kbd>Ctrl</kbd> <kbd>Enter</kbd> runs the text, or what is selected in it.
                  </p>
                </Empty>
              )
            ) : result.rows.length === 0 && tab === "results" ? (
              <Empty icon="sql" title="No row fits">
                {ran?.asOf ? (
                  <>
                    <p>As of {ran.asOf}: what had landed by then.</p>
                    <button onClick={() => (setAsOf(""), void start(ran.sql, ""))}>Ask as of now</button>
                  </>
                ) : (
                  <p>
                    What there is: <a href={link("tables")}>tables, with their rows</a>, and <a href={link("live")}>events as they come</a>.
                  </p>
                )}
              </Empty>
            ) : tab === "chart" ? (
              <ResultChart result={result} />
            ) : (
              <Grid result={result} />
            )}
          </section>
        </div>
      </div>
    </div>
  );
}

