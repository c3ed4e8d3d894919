/** The one way from this page to the server: its public HTTP API. */
import { signal } from "@preact/signals";

import { parse } from "./json";

/** What the server answers where it cannot do what was asked (RFC 9457). */
export interface Problem {
  status: number;
  code: string;
  title?: string;
  detail: string;
  line?: number;
  column?: number;
  diagnostics?: Diagnostic[];
}

export interface Diagnostic {
  code?: string;
  message: string;
  file?: string;
  line?: number;
  column?: number; // In bytes, from 1.
  length?: number;
  suggestion?: string;
  notes?: string[];
}

export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

export interface Result {
  columns: { name: string; type: string }[];
  rows: unknown[][];
  row_count: number;
  complete: boolean;
  error?: { code: string; detail: string };
}

const TOKEN = "sluice.token";

/** Whether the server wants a token that it has not got. */
export const tokenWanted = signal(false);
export const tokenRefused = signal("");

// Kept for this tab only: a token is a secret, and a browser is shared.
let token = "";
try {
  token = sessionStorage.getItem(TOKEN) ?? "";
} catch {
  // No storage: it is asked for again.
}

export function setToken(text: string) {
  token = text.trim();
  try {
    if (token) sessionStorage.setItem(TOKEN, token);
    else sessionStorage.removeItem(TOKEN);
  } catch {
    // As above.
  }
  tokenWanted.value = false;
  tokenRefused.value = "";
}

export function hasToken() {
  return token !== "";
}

export interface Ask {
  method?: string;
  body?: string;
  type?: string;
  accept?: string;
  /** Nobody asked just now: the server keeps it out of the list of queries. */
  background?: boolean;
  signal?: AbortSignal;
}

/** Asks; throws ApiError with what the server says, or with code "unreachable". */
export async function ask(target: string, options: Ask = {}): Promise<Response> {
  const headers: Record<string, string> = {};
  if (token) headers["Authorization"] = `Bearer ${token}`;
  if (options.type) headers["Content-Type"] = options.type;
  if (options.accept) headers["Accept"] = options.accept;
  if (options.background) headers["Sluice-Background"] = "true";
  let answer: Response;
  try {
    answer = await fetch(target, {
      method: options.method ?? "GET",
      headers,
      body: options.body,
      signal: options.signal,
      cache: "no-store",
      credentials: "omit",
    });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiError({ status: 0, code: "unreachable", detail: "the server does not answer" });
  }
  if (answer.ok) return answer;
  let problem: Problem = { status: answer.status, code: "", detail: `the server answered ${answer.status}` };
  try {
    problem = { ...problem, ...(await answer.json()) };
  } catch {
    // No problem document: the status has to do.
  }
  if (answer.status === 401) {
    tokenWanted.value = true;
    tokenRefused.value = token ? problem.detail : "";
  }
  throw new ApiError(problem);
}

export async function get<T>(target: string): Promise<T> {
  return (await ask(target)).json() as Promise<T>;
}

export async function post<T>(target: string, body?: unknown): Promise<T> {
  const text = body === undefined || typeof body === "string" ? (body as string | undefined) : JSON.stringify(body);
  return (await ask(target, { method: "POST", body: text, type: "application/json" })).json() as Promise<T>;
}

export interface Query {
  sql: string;
  params?: Record<string, unknown>;
  as_of?: string | number;
  id?: string;
  limits?: { time_ms?: number; rows?: number };
}

/** Runs a query that somebody asked; one that fails on the way throws as one that fails at once. */
export const query = (query: Query, abort?: AbortSignal) => run(query, false, abort);
/** The same for what the page shows by itself. */
export const look = (query: Query, abort?: AbortSignal) => run(query, true, abort);

async function run(query: Query, background: boolean, abort?: AbortSignal): Promise<Result> {
  const answer = await ask("/v1/sql", {
    method: "POST",
    body: JSON.stringify(query),
    type: "application/json",
    accept: "application/json",
    background,
    signal: abort,
  });
  const result = parse(await answer.text()) as Result;
  if (!result.complete) {
    throw new ApiError({ status: 200, code: result.error?.code ?? "", detail: result.error?.detail ?? "cut short" });
  }
  return result;
}

/** Rows as objects. */
export function objects<T>(result: Result): T[] {
  return result.rows.map((row) => Object.fromEntries(result.columns.map((c, i) => [c.name, row[i]])) as T);
}

export const quoteName = (name: string) => '"' + name.replaceAll('"', '""') + '"';
export const quoteTable = (table: string) => table.split(".").map(quoteName).join(".");

export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem;
  return { status: 0, code: "", detail: String((error as Error)?.message ?? error) };
}
