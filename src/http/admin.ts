/**
 * The operators' pages: Bull Board over the queues of all tickets, and a list of the busy ones.
 *
 * Guarantees: only operators see anything of them (operator-door.ts); whatever is changed is in the audit
 * first. The board follows the queues as they come and go.
 */
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import express, { type NextFunction, type Request, type Response } from 'express';
import type { Clock } from '../actors/ports.js';
import type { Audit } from '../security/port.js';
import { principalOf, requestIdOf, send } from './api.js';
import { bounded } from './bounded.js';
import { escapeHtml, pageCsp } from './docs.js';
import { operatorDoor, type OperatorDoorOptions } from './operator-door.js';

/** A BullMQ queue, as Bull Board takes it: only src/queues imports bullmq. */
export type BoardQueue = ConstructorParameters<typeof BullMQAdapter>[0];

export interface AdminOptions {
  /** The queues there are now; asked on every request. */
  readonly queues: () => readonly BoardQueue[];
  readonly door: OperatorDoorOptions;
  readonly audit: Audit;
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
  router.use(operatorDoor(options.door));
  router.use(BOARD_PATH, boardHeaders, audited(options), (request, response, next) => {
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

/** Who changed a queue by hand, and how, is kept before it is done. */
function audited({ audit }: AdminOptions): express.RequestHandler {
  return async (request, response, next) => {
    if (request.method === 'GET' || request.method === 'HEAD') {
      next();
      return;
    }
    const principal = principalOf(response);
    const path = (request.originalUrl.split('?', 1)[0] ?? '').slice(0, PATH_CHARS_MAX);
    await audit.record({
      actor: principal ? `account:${principal.accountId}` : 'admin-token',
      action: 'queue.changed',
      subject: `queue:${queueIn(path)}`,
      address: request.ip ?? '',
      requestId: requestIdOf(response),
      details: { method: request.method, path },
    });
    next();
  };
}

const PATH_CHARS_MAX = 300;
const NAME_CHARS_MAX = 100;

/** The board's paths read `/api/queues/<name>/...`. */
function queueIn(path: string): string {
  const name = /\/api\/queues\/([^/]+)/.exec(path)?.[1] ?? 'unknown';
  return name.replaceAll(/[^\w.%-]/g, '_').slice(0, NAME_CHARS_MAX);
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
    const app = serverAdapter.getRouter() as express.Express;
    app.disable('x-powered-by');
    this.handle = app;
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
