/** What every answer must be, whatever was asked. */
import { PROBLEMS, PROBLEM_TYPE } from '../../src/http/problem.js';
import type { Input } from './inputs.js';
import { faultsOf, type Schema } from './openapi.js';
import type { Answer, Exchange } from './wire.js';

/** Of any request: who asks, how it is written, how often, and how the process is. */
const ANYWHERE: ReadonlySet<number> = new Set([400, 401, 403, 408, 413, 429, 431, 503]);
const CODES = new Map<string, number>(Object.entries(PROBLEMS).map(([code, [status]]) => [code, status]));
/** Files of ours, and how a stack trace reads. */
const INSIDES =
  /node_modules|file:\/\/|\bat (async )?[\w.<>#]+ \(|\.(ts|js|mjs):\d+:\d+|\/dist\/src\/|ECONNREFUSED|ReplyError/;
/** What is surely read of headers and bodies, together. */
const READ_BYTES_MAX = 16_000;
const READY = '/health/ready';

/** What is wrong with how an input was answered; empty when nothing is. */
export function violationsOf(input: Input, exchange: Exchange): string[] {
  if (exchange.kind === 'answered') return violationsOfAnswer(input, exchange.answer);
  if (input.mayClose || input.halfClose || input.isAbandoned) return [];
  if (exchange.kind === 'late') return ['no answer in time'];
  // Whoever sends more than is taken is not read to the end.
  const sizes = [
    input.target.length,
    input.body?.length ?? 0,
    ...input.headers.map(([, value]) => value.length),
  ];
  const isLarge = sizes.reduce((total, size) => total + size, 0) > READ_BYTES_MAX;
  return exchange.isReset && isLarge ? [] : ['the connection was closed without an answer'];
}

function violationsOfAnswer(input: Input, answer: Answer): string[] {
  const { status, headers } = answer;
  const isHead = input.method === 'HEAD';
  const faults: string[] = [];
  const text = answer.body.toString('utf8');
  if (status < 200 || status > 599) faults.push(`status ${status}`);
  const problem = status >= 400 && !isHead ? problemOf(answer, text, faults, input) : null;
  if (status >= 500) {
    const isOverloaded = status === 503 && (isHead || problem?.['code'] === 'overloaded');
    const isNotReady = status === 503 && input.target.includes(READY) && problem?.['code'] === 'not_ready';
    if (!isOverloaded && !isNotReady)
      faults.push(`status ${status} ${problem ? JSON.stringify(problem['code']) : ''}`);
    if (isOverloaded && !(Number(headers['retry-after']) >= 1)) faults.push('overloaded without Retry-After');
  }
  if (status >= 400 && INSIDES.test(text)) faults.push('tells of its insides');
  if (headers['x-powered-by'] !== undefined) faults.push('tells what it is made with');
  faults.push(...undescribed(input, answer, text));
  return faults;
}

function problemOf(
  { status, headers }: Answer,
  text: string,
  faults: string[],
  input: Input,
): Readonly<Record<string, unknown>> | null {
  const type = headers['content-type'] ?? '';
  if ((type.startsWith('text/html') && isPage(input)) || isBoard(input)) return null;
  if (type !== PROBLEM_TYPE) {
    faults.push(`an error ${status} as "${type}"`);
    return null;
  }
  try {
    const problem = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const code = String(problem['code']);
    if (!CODES.has(code)) faults.push(`an unknown code ${code}`);
    if (problem['status'] !== status) faults.push(`status ${status} says ${String(problem['status'])}`);
    return problem;
  } catch {
    faults.push('a problem that is no JSON');
    return null;
  }
}

const BOARD = /^\/+admin\b/i;
/** Pages for people say in words what is not there. What is no request may be one for a page. */
const isPage = ({ role, target, raw }: Input): boolean =>
  BOARD.test(target) || (role === 'client' && (raw !== null || !/^\/api(\/|$)/.test(target)));
/** Bull Board behind our door, for operators only, has errors of its own form. */
const isBoard = ({ target }: Input): boolean => BOARD.test(target);

function undescribed({ operation, method, made, body }: Input, answer: Answer, text: string): string[] {
  if (!operation || method !== operation.method) return [];
  const { status, headers } = answer;
  const described = operation.responses[String(status)];
  const isOfPath = (status === 404 || status === 405) && made.some((what) => what.includes('in the path'));
  const isOfBody = status === 415 && body !== null;
  if (!described) {
    return ANYWHERE.has(status) || isOfPath || isOfBody ? [] : [`status ${status} is not described`];
  }
  // What is compressed is the same, and not looked into.
  if (status >= 300 || described.content === undefined || headers['content-encoding'] !== undefined)
    return [];
  const type = (headers['content-type'] ?? '').split(';', 1)[0] ?? '';
  const found = described.content[type];
  if (!found) return [`content type "${type}" is not described`];
  return type === 'application/json' && found.schema
    ? faultsOfJson(found.schema, text, operation.document)
    : [];
}

function faultsOfJson(schema: Schema, text: string, document: Parameters<typeof faultsOf>[2]): string[] {
  try {
    return faultsOf(schema, JSON.parse(text), document).map((fault) => `not as described: ${fault}`);
  } catch {
    return ['an answer that is no JSON'];
  }
}

const ERROR_LEVEL = 50;
/** A page that a machine busy with other things did not make in time: what it is replaced with is an answer too. */
const SLOW = /(the web app|a page) did not answer within \d+ ms/;

/** Lines of a log that no input may cause: errors, and what was not written as a log at all. */
export function logFaults(output: string): string[] {
  const [, rest = ''] = output.split('Ctrl-C stops it');
  return rest
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '' && !/^(Stopping:|Stopped\.)/.test(line) && !SLOW.test(line))
    .filter((line) => {
      try {
        return Number((JSON.parse(line) as { level?: unknown }).level) >= ERROR_LEVEL;
      } catch {
        return true;
      }
    });
}
