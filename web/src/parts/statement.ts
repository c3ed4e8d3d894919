/** What a statement does, by its first word: as the server tells changes from questions. */

// What the server skips before the first word.
const BEFORE = /^(?:[ \t\r\n\f\v]|--[^\n]*(?:\n|$)|\/\*(?:[^*]|\*(?!\/))*(?:\*\/|$))*/;

const CHANGES = /^"?(?:insert|update|delete|merge)(?![A-Za-z0-9_$\u0080-\uffff])/i;
const READS = /^(?:\(|(?:select|with|from|values|table|describe|desc|show|summarize|explain|pivot|unpivot)(?![A-Za-z0-9_$\u0080-\uffff]))/i;

/** Whether running it changes rows. */
export const changesRows = (sql: string) => CHANGES.test(sql.replace(BEFORE, ""));
/** Whether it is known to change nothing, so that it may be run once more unasked. */
export const onlyReads = (sql: string) => READS.test(sql.replace(BEFORE, ""));
