/** The Delta tables: what they hold, and how they came to it. */
import { useEffect, useState } from "preact/hooks";

import { look, objects, post, problemOf, quoteTable, type Problem } from "../api";
import { firstTopic, onServer } from "../commands";
import { bytes, count, time } from "../format";
import { Card, Command, Commands, Empty, Icon, ProblemNote, Tabs, toast } from "../parts/ui";
import { go, link, route } from "../route";
import { overview, refresh, type Topic } from "../state";

interface File {
  path: string;
  partition_values: string;
  rows: number | null;
  bytes: number;
  modified: string;
}

interface Entry {
  version: number | null;
  time: string | null;
  operation: string;
  engine: string | null;
  accepted: number;
  landed: number;
  removed: number;
  foreign_rows: number;
  duplicate: number;
}

/** Asks once, and again when `key` is another. */
function useQuery<T>(sql: string, params: Record<string, unknown>, key: string) {
  const [rows, setRows] = useState<T[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    let gone = false;
    look({ sql, params }).then(
      (result) => !gone && (setRows(objects<T>(result)), setProblem(null)),
      (error) => !gone && setProblem(problemOf(error)),
    );
    return () => void (gone = true);
  }, [sql, key]);
  return { rows, problem };
}

type Tab = "schema" | "files" | "history";

async function land() {
  try {
    await post("/v1/admin/land");
    toast("Everything that waited has landed");
    refresh();
  } catch (error) {
    toast(problemOf(error).detail);
  }
}

function Detail({ table }: { table: Topic }) {
  const [tab, setTab] = useState<Tab>("schema");
  const at = `${table.table}@${table.version}`;
  const described = useQuery<{ column_name: string; column_type: string }>(`describe select * from ${quoteTable(table.table)}`, {}, at);
  const files = useQuery<File>(
    "select path, partition_values, rows, bytes, modified from system.files where table_name = $table order by modified desc limit 500",
    { table: table.table },
    at,
  );
  const history = useQuery<Entry>(
    "select version, time, operation, engine, accepted, landed, removed, foreign_rows, duplicate from system.ledger " +
      // What could not be taken is in no version of this table.
      "where table_name = $table and operation <> 'ERROR' order by version desc nulls first limit 200",
    { table: table.table },
    at,
  );
  const size = files.rows?.reduce((n, file) => n + file.bytes, 0);
  const problem = described.problem ?? files.problem ?? history.problem;
  return (
    <>
      <div class="tiles four">
        {(
          [
            ["Rows landed", count(table.rows), `version ${count(table.version)}`],
            ["Waiting to land", count(table.pending), "in SQL already"],
            ["Files", count(table.files), files.rows && table.files <= 500 ? bytes(size ?? 0) : "in the newest version"],
            ["Bytes a row", size && table.rows && table.files <= 500 ? (size / table.rows).toFixed(1) : "–", "compressed"],
          ] as const
        ).map(([label, value, hint]) => (
          <div class="card tile">
            <span class="label">{label}</span>
            <span class="value">{value}</span>
            <span class="hint">{hint}</span>
          </div>
        ))}
      </div>
      {table.stopped && (
        <div class="problem" role="alert">
          <b>Landing has stopped</b> {table.stopped}
        </div>
      )}
      {problem && <ProblemNote problem={problem} />}
      <section class="card">
        <header>
          <Tabs label="About the table" now={tab} pick={setTab} of={[["schema", "Columns"], ["files", "Files"], ["history", "History"]] as const} />
          <div class="actions">
            {!table.table.startsWith("system.") && <a class="button" href={link("topics", table.topic)}>Schema</a>}
            <button
              onClick={() => {
                try {
                  localStorage.setItem("sluice.draft", JSON.stringify(`select *\nfrom ${table.table}\nlimit 100`));
                } catch {
                  // The editor opens with what it had.
                }
                go("sql");
              }}
            >
              <Icon name="sql" /> Query
            </button>
          </div>
        </header>
        <div class="grid-wrap" tabIndex={0} role="region" aria-label={tab}>
          {tab === "schema" && (
            <table>
              <thead>
                <tr>
                  <th>Column</th>
                  <th>Type</th>
                </tr>
              </thead>
              <tbody>
                {described.rows?.map((column) => (
                  <tr>
                    <td class="mono">{column.column_name}</td>
                    <td class="mono muted">{column.column_type}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          {tab === "files" &&
            (files.rows?.length === 0 ? (
              <Empty icon="box" title="No file yet">
                <p>
                  {table.pending > 0
                    ? `${count(table.pending)} rows wait: they land together, after land.every or when there are enough.`
                    : "Events come first, then files."}
                </p>
                {table.pending > 0 ? (
                  <button onClick={() => void land()}>
                    <Icon name="download" /> Land them now
                  </button>
                ) : (
                  !table.table.startsWith("system.") && <a class="button" href={link("live", table.topic)}>How to send one</a>
                )}
              </Empty>
            ) : (
              <table>
                <thead>
                  <tr>
                    <th>File</th>
                    <th>Partition</th>
                    <th class="number">Rows</th>
                    <th class="number">Size</th>
                    <th class="number">Written</th>
                  </tr>
                </thead>
                <tbody>
                  {files.rows?.map((file) => (
                    <tr>
                      <td class="mono">{file.path.split("/").at(-1)}</td>
                      <td class="mono muted">{file.partition_values}</td>
                      <td class="number">{file.rows === null ? "–" : count(file.rows)}</td>
                      <td class="number">{bytes(file.bytes)}</td>
                      <td class="number muted nowrap">{time(file.modified)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            ))}
          {tab === "history" && (
            <table>
              <thead>
                <tr>
                  <th class="number">Version</th>
                  <th>When</th>
                  <th>What</th>
                  <th>By</th>
                  <th class="number">Landed</th>
                  <th class="number">Removed</th>
                  <th class="number">Of others</th>
                  <th class="number">Duplicates</th>
                </tr>
              </thead>
              <tbody>
                {history.rows?.map((entry) => (
                  <tr>
                    <td class="number">{entry.version === null ? <span class="pill accent">waiting</span> : count(entry.version)}</td>
                    <td class="nowrap">{entry.time ? time(entry.time) : "now"}</td>
                    <td>{entry.operation}</td>
                    <td class="muted">{entry.engine}</td>
                    <td class="number">{count(entry.version === null ? entry.accepted : entry.landed)}</td>
                    <td class="number">{entry.removed ? count(entry.removed) : ""}</td>
                    <td class="number">{entry.foreign_rows ? count(entry.foreign_rows) : ""}</td>
                    <td class="number">{entry.duplicate ? count(entry.duplicate) : ""}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </div>
      </section>
      <Card title="Elsewhere">
        <p class="muted">Plain Delta: other engines read it where it lies, and may write beside us.</p>
        <div class="row wrap" style={{ marginTop: "10px" }}>
          <Command text={onServer(`sql -c 'select * from ${table.table}' --as-of ${table.version}`)} />
          <Command text={onServer(`sql -c "select * from system.ledger where table_name = '${table.table}'"`)} />
        </div>
      </Card>
    </>
  );
}

function List({ tables }: { tables: Topic[] }) {
  const sizes = useQuery<{ table_name: string; bytes: number }>(
    "select table_name, sum(bytes)::bigint as bytes from system.files group by 1",
    {},
    tables.map((table) => `${table.table}@${table.version}`).join(),
  );
  const size = new Map(sizes.rows?.map((row) => [row.table_name, row.bytes]));
  return (
    <section class="card">
      <div class="grid-wrap" tabIndex={0} role="region" aria-label="Tables">
        <table>
          <thead>
            <tr>
              <th>Table</th>
              <th>Topic</th>
              <th class="number">Rows landed</th>
              <th class="number">Waiting</th>
              <th class="number">Files</th>
              <th class="number">Size</th>
              <th class="number">Version</th>
            </tr>
          </thead>
          <tbody>
            {tables.map((table) => (
              <tr class="pick" onClick={() => go("tables", table.table)}>
                <td>
                  <a href={link("tables", table.table)}>{table.table}</a>{" "}
                  {table.stopped && <span class="pill bad">landing stopped</span>}
                </td>
                <td class="muted">{table.topic}</td>
                <td class="number">{count(table.rows)}</td>
                <td class="number">{count(table.pending)}</td>
                <td class="number">{count(table.files)}</td>
                <td class="number">{bytes(size.get(table.table) ?? 0)}</td>
                <td class="number">{count(table.version)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function Tables() {
  const tables = [...(overview.value?.topics ?? [])].sort((a, b) => a.table.localeCompare(b.table));
  const name = route.value[1];
  const table = tables.find((one) => one.table === name);
  const [busy, setBusy] = useState(false);
  const landAll = async () => {
    setBusy(true);
    await land();
    setBusy(false);
  };
  return (
    <div class="content">
      <div class="head">
        {name ? (
          <div class="crumbs">
            <a href={link("tables")}>Tables</a>
            <span class="muted">/</span>
            <h1>{name}</h1>
          </div>
        ) : (
          <h1>Tables</h1>
        )}
        <div class="actions">
          <button disabled={busy || tables.length === 0} onClick={() => void landAll()}>
            <Icon name="download" /> Land now
          </button>
        </div>
      </div>
      {!overview.value ? null : name ? (
        table ? (
          <Detail key={name} table={table} />
        ) : (
          <div class="card">
            <Empty icon="tables" title="There is no such table">
              <p>It may have been deleted, or its schema was never added here.</p>
              <div class="row">
                <a class="button" href={link("tables")}>All tables</a>
                <a class="button" href={link("topics")}>Try a schema</a>
              </div>
            </Empty>
          </div>
        )
      ) : tables.length === 0 ? (
        <div class="card">
          <Empty icon="tables" title="No table yet">
            <p>Each topic has one, made by its schema. From nothing:</p>
            <Commands of={firstTopic()} />
          </Empty>
        </div>
      ) : (
        <List tables={tables} />
      )}
    </div>
  );
}
