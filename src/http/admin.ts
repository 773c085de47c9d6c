/**
 * The operators' pages: Bull Board over the queues of all tickets, and a list of the busy ones.
 *
 * Guarantees: nothing of them is seen without the operators' token; nothing is changed by a request that
 * another site made a browser send. The board follows the queues as they come and go.
 */
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import express, { type NextFunction, type Request, type Response } from 'express';
import type { Clock } from '../actors/ports.js';
import { send } from './api.js';
import { bounded } from './bounded.js';
import { escapeHtml, pageCsp } from './docs.js';
import { bearerToken, sameSecret } from './identity.js';
import { Problem } from './problem.js';

/** A BullMQ queue, as Bull Board takes it: only src/queues imports bullmq. */
export type BoardQueue = ConstructorParameters<typeof BullMQAdapter>[0];

export interface AdminOptions {
  /** The queues there are now; asked on every request. */
  readonly queues: () => readonly BoardQueue[];
  readonly operatorToken: string;
  readonly clock: Clock;
  /** How long a queue may take to count its jobs. */
  readonly waitMs: number;
}

const BOARD_PATH = '/admin/queues';
const BUSY_PATH = '/admin/busy';

/** Router for the root of an app. */
export function adminRouter(options: AdminOptions): express.Router {
  const router = express.Router();
  const board = new Board(options.queues);
  router.use('/admin', guard(options.operatorToken));
  router.use(BOARD_PATH, boardHeaders, (request, response, next) => {
    board.follow();
    board.handle(request, response, next);
  });
  router.get(BUSY_PATH, async (_request, response) => {
    await busyPage(options, response);
  });
  router.get('/admin', (_request, response) => {
    response.redirect(303, BOARD_PATH);
  });
  return router;
}

function guard(operatorToken: string): express.RequestHandler {
  return (request, response, next) => {
    const presented = credentials(request);
    if (presented === null || !sameSecret(presented.token, operatorToken)) {
      const headers = { 'WWW-Authenticate': 'Basic realm="ticktak operators", charset="UTF-8"' };
      send(
        response,
        new Problem('unauthorized', {
          headers,
          detail: 'Any user name; the password is the operator token.',
        }),
      );
      return;
    }
    // A browser adds Basic credentials by itself, whoever made it send the request; a Bearer token it does not.
    if (presented.isAmbient && !isSafe(request.method) && !isSameOrigin(request)) {
      send(response, new Problem('forbidden', { detail: 'The request comes from another site.' }));
      return;
    }
    response.setHeader('Cache-Control', 'no-store');
    next();
  };
}

function credentials(request: Request): { readonly token: string; readonly isAmbient: boolean } | null {
  const header = request.get('Authorization');
  const bearer = bearerToken(header);
  if (bearer !== null) return { token: bearer, isAmbient: false };
  const basic = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(header ?? '')?.[1];
  if (basic === undefined) return null;
  const pair = Buffer.from(basic, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? null : { token: pair.slice(colon + 1), isAmbient: true };
}

const isSafe = (method: string): boolean => method === 'GET' || method === 'HEAD';

function isSameOrigin(request: Request): boolean {
  const site = request.get('Sec-Fetch-Site');
  if (site !== undefined) return site === 'same-origin';
  const origin = request.get('Origin') ?? '';
  return URL.canParse(origin) && new URL(origin).host === request.get('Host');
}

/** The board is a script application with inline styles; it needs nothing from elsewhere. */
const BOARD_CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

function boardHeaders(_request: Request, response: Response, next: NextFunction): void {
  response.locals['route'] = BOARD_PATH;
  response.setHeader('Content-Security-Policy', BOARD_CSP);
  next();
}

const TICKET_QUEUE = /^match-\d+\.category-\d$/;

type BoardAdapter = Parameters<typeof createBullBoard>[0]['serverAdapter'];

class Board {
  readonly #queues: () => readonly BoardQueue[];
  readonly #replace: ReturnType<typeof createBullBoard>['replaceQueues'];
  readonly handle: express.RequestHandler;
  #shown: readonly BoardQueue[] = [];

  constructor(queues: () => readonly BoardQueue[]) {
    this.#queues = queues;
    const serverAdapter = new ExpressAdapter().setBasePath(BOARD_PATH);
    const board = createBullBoard({
      queues: [],
      // Each of its packages brings its own copy of the same types.
      serverAdapter: serverAdapter as unknown as BoardAdapter,
      options: {
        uiConfig: {
          boardTitle: 'ticktak',
          hideDocsLink: true,
          sortQueues: true,
          overview: { groupByDelimiter: true },
          miscLinks: [{ text: 'Busy tickets', url: BUSY_PATH }],
          // Tickets have no BullMQ workers to list, and asking costs a CLIENT LIST per queue and refresh.
          showWorkers: false,
        },
      },
    });
    this.#replace = board.replaceQueues;
    this.handle = serverAdapter.getRouter() as express.RequestHandler;
  }

  /** Puts the board in step with the queues there are now. */
  follow(): void {
    const queues = this.#queues();
    const isSame =
      queues.length === this.#shown.length && queues.every((queue, i) => queue === this.#shown[i]);
    if (isSame) return;
    this.#shown = [...queues];
    // `match-01.category-1` is found and grouped by its match. Only dead letters may be changed by hand: a job
    // of a ticket is a command that a buyer waits for, and emptying its queue would lose it.
    this.#replace(
      byName(queues).map((queue) => {
        const readOnlyMode = TICKET_QUEUE.test(queue.name);
        return new BullMQAdapter(queue, { delimiter: '.', readOnlyMode });
      }),
    );
  }
}

const byName = (queues: readonly BoardQueue[]): BoardQueue[] =>
  [...queues].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));

interface Busy {
  readonly name: string;
  readonly waiting: number;
  readonly active: number;
  readonly failed: number;
}

const BUSY_STYLE = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:2rem 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.35rem .6rem;border-bottom:1px solid #8884}
th:first-child,td:first-child{text-align:left}td{font-variant-numeric:tabular-nums}`;

/** Tickets with jobs first, most of them first: Bull Board sorts by one state at a time. */
async function busyPage({ queues, clock, waitMs }: AdminOptions, response: Response): Promise<void> {
  response.locals['route'] = BUSY_PATH;
  const all = await Promise.all(
    byName(queues()).map((queue) => bounded(clock, waitMs, 'queues', countsOf(queue))),
  );
  const rows = all.sort((a, b) => load(b) - load(a)).map(rowHtml);
  const content = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Busy tickets</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>${BUSY_STYLE}</style></head><body>
<h1>Busy tickets</h1><p><a href="${BOARD_PATH}">All queues</a></p><table><thead><tr><th>Queue</th><th>Waiting</th>
<th>Active</th><th>Failed</th></tr></thead><tbody>${rows.join('')}</tbody></table></body></html>`;
  send(response, {
    status: 200,
    text: { type: 'text/html; charset=utf-8', content },
    headers: { 'Content-Security-Policy': pageCsp(BUSY_STYLE) },
  });
}

const load = ({ waiting, active, failed }: Busy): number => waiting + active + failed;

async function countsOf(queue: BoardQueue): Promise<Busy> {
  const counts = await queue.getJobCounts('waiting', 'active', 'failed');
  const of = (state: string): number => counts[state] ?? 0;
  return { name: queue.name, waiting: of('waiting'), active: of('active'), failed: of('failed') };
}

function rowHtml({ name, waiting, active, failed }: Busy): string {
  const link = `${BOARD_PATH}/queue/${encodeURIComponent(name)}`;
  return `<tr><td><a href="${escapeHtml(link)}">${escapeHtml(name)}</a></td><td>${waiting}</td><td>${active}</td><td>${failed}</td></tr>`;
}
