/** Answers of the API, in the place of the marketplace's own, for pages that show what takes a crowd or a long time. */
import type { BrowserContext, Request, Route } from 'playwright-core';

export interface Sent {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export interface StandIn {
  /** What was asked, oldest first. */
  readonly sent: Sent[];
  /** From now on. A function is asked anew each time; a `Refusal` is answered as a problem. */
  answer(answer: unknown): void;
  /** No answer at all. */
  away(): void;
  /** The marketplace itself. */
  real(): void;
}

export class Refusal {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly members: Readonly<Record<string, unknown>> = {},
  ) {}
}

/** In the place of one path of the API, in every tab of a browser. `path`: below `/api/v1`. */
export async function standIn(
  context: BrowserContext,
  method: string,
  path: string,
  first?: unknown,
): Promise<StandIn> {
  const sent: Sent[] = [];
  let current: { kind: 'real' } | { kind: 'away' } | { kind: 'answer'; answer: unknown } =
    first === undefined ? { kind: 'real' } : { kind: 'answer', answer: first };
  await context.route(
    (url) => url.pathname === `/api/v1${path}`,
    async (route) => {
      const request = route.request();
      if (request.method() !== method) return route.fallback();
      sent.push(sentOf(request));
      if (current.kind === 'real') return route.continue();
      if (current.kind === 'away') return route.abort('connectionreset');
      const { answer } = current;
      return fulfil(route, typeof answer === 'function' ? (answer as () => unknown)() : answer);
    },
  );
  return {
    sent,
    answer: (answer) => void (current = { kind: 'answer', answer }),
    away: () => void (current = { kind: 'away' }),
    real: () => void (current = { kind: 'real' }),
  };
}

function sentOf(request: Request): Sent {
  const text = request.postData();
  return {
    method: request.method(),
    headers: request.headers(),
    body: text === null ? null : (JSON.parse(text) as unknown),
  };
}

function fulfil(route: Route, answer: unknown): Promise<void> {
  if (answer instanceof Refusal) {
    const { status, code, members } = answer;
    return route.fulfill({
      status,
      contentType: 'application/problem+json',
      body: JSON.stringify({ code, status, title: code, ...members }),
    });
  }
  return route.fulfill({ status: 200, contentType: 'application/json', body: JSON.stringify(answer) });
}

/** What the stream of availability tells first; each time it is opened, for it ends then. */
export async function tellTickets(context: BrowserContext, tickets: () => readonly object[]): Promise<void> {
  await context.route('**/api/v1/availability/stream', (route) =>
    route.fulfill({
      status: 200,
      contentType: 'text/event-stream',
      body: `event: snapshot\ndata: ${JSON.stringify({ tickets: tickets(), matches: [] })}\n\n`,
    }),
  );
}
