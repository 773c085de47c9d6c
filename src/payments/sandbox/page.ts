/**
 * The page that stands for the bank's: complete the authentication or let it fail. Plain HTML, no script.
 * It sends the browser only to the address that the payment was confirmed with, as Stripe does.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../actors/ports.js';
import type { Intents } from './intents.js';
import { authenticate } from './machine.js';
import type { IntentRecord } from './records.js';
import { pagePath } from './render.js';
import type { Secrets } from './secrets.js';

export interface PageAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface PageParts {
  readonly intents: Intents;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly laterMs: number;
}

export const PAGE_PATH = /^\/sandbox\/authenticate\/(pi_[A-Za-z0-9]{1,100})$/;

const STYLE =
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem;color:#1b1b1f;background:#fff}' +
  'button{font:inherit;padding:.75rem 1.25rem;margin:0 .75rem .75rem 0;border:2px solid #1b1b1f;border-radius:.5rem;background:#fff;color:#1b1b1f;cursor:pointer}' +
  'button:first-of-type{background:#1b1b1f;color:#fff}button:focus-visible{outline:3px solid #3b82f6;outline-offset:2px}';
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** `form`: the posted body, or null when the page is only opened. */
export async function answerPage(
  { intents, secrets, clock, laterMs }: PageParts,
  intentId: string,
  query: URLSearchParams,
  form: string | null,
): Promise<PageAnswer> {
  const attempt = Number(query.get('attempt'));
  const isKnown =
    Number.isSafeInteger(attempt) && secrets.opensPage(pagePath(intentId, attempt), query.get('token') ?? '');
  const record = isKnown ? await intents.get(intentId) : null;
  if (!record)
    return html(404, 'This page does not exist', '<p>The link is not complete, or too old.</p>', '');
  if (form === null) {
    return isWaiting(record, attempt) ? question(record) : sentBack(intentId, record, secrets);
  }
  const result = new URLSearchParams(form).get('result');
  if (result !== 'complete' && result !== 'fail') {
    return html(400, 'Nothing was chosen', '<p>Go back and choose one of the two.</p>', '');
  }
  const request = { attempt, isAuthentic: result === 'complete', now: clock.now(), laterMs };
  const after = await intents.change(intentId, (before) => authenticate(before, request));
  return sentBack(intentId, after ?? record, secrets);
}

const isWaiting = (record: IntentRecord, attempt: number): boolean =>
  record.status === 'requires_action' && record.confirms.length === attempt;

function question({ amount, currency, description, returnUrl }: IntentRecord): PageAnswer {
  const origin = returnUrl === null ? '' : ` ${new URL(returnUrl).origin}`;
  const what = description === null ? '' : `<p>${escaped(description)}</p>`;
  const body =
    `<p>This is the payment sandbox: no bank, no money.</p>${what}` +
    `<p>Amount: ${amount} ${escaped(currency.toUpperCase())} (minor units)</p>` +
    '<form method="post">' +
    '<button name="result" value="complete">Complete authentication</button>' +
    '<button name="result" value="fail">Fail authentication</button></form>';
  return html(200, '3-D Secure test page', body, origin);
}

/** To the one address that came with the confirm, with what Stripe adds to it. */
function sentBack(intentId: string, record: IntentRecord, secrets: Secrets): PageAnswer {
  if (record.returnUrl === null) {
    return html(200, 'Done', '<p>You can go back to the shop now.</p>', '');
  }
  const url = new URL(record.returnUrl);
  url.searchParams.set('payment_intent', intentId);
  url.searchParams.set('payment_intent_client_secret', secrets.clientSecret(intentId));
  url.searchParams.set('redirect_status', record.status === 'succeeded' ? 'succeeded' : 'failed');
  return { status: 303, headers: { ...SAFE_HEADERS, location: url.href }, body: '' };
}

const SAFE_HEADERS = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** `formTargets`: browsers hold a form's redirect to its policy too. */
function html(status: number, title: string, content: string, formTargets: string): PageAnswer {
  const policy =
    `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'${formTargets}; ` +
    "base-uri 'none'; frame-ancestors 'none'";
  const body =
    '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    `<title>${title}</title><style>${STYLE}</style></head>` +
    `<body><main><h1>${title}</h1>${content}</main></body></html>`;
  const headers = {
    ...SAFE_HEADERS,
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy,
  };
  return { status, headers, body };
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
