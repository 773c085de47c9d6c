/** Puts the client role together: where the services are, what was built, and what browsers are told of pages. */
import { fileURLToPath } from 'node:url';
import type { Express } from 'express';
import type { Role, Settings } from '../../config/settings.js';
import type { Clock } from '../actors/ports.js';
import type { ForwardedSeal } from '../http/forwarded.js';
import { RAW_BYTES_MIN, type Gate } from '../http/service.js';
import { mountWeb, type WebOptions } from '../web/app.js';
import { findBuiltWeb } from '../web/built.js';
import { Forwarder } from '../web/forwarder.js';
import { pageHeaders } from '../web/headers.js';
import { MatchesSource } from '../web/matches.js';
import { Pages } from '../web/pages.js';
import { UPSTREAMS, type Upstream } from '../web/upstreams.js';
import type { Logger } from './log.js';
import { loopbackOf } from './trust.js';

/** Beside the built program: dist/web. */
export const WEB_DIR = fileURLToPath(new URL('../../web', import.meta.url));

export interface WebParts {
  readonly dir: string;
  readonly settings: Settings;
  /** Null when the service is nowhere. */
  readonly url: (upstream: Upstream) => string | null;
  readonly isHere: (upstream: Upstream) => boolean;
  readonly seal: ForwardedSeal;
  readonly gate: Gate;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Web {
  readonly mount: (app: Express) => void;
  /** False when the web app was not built: then there is the API, and no page. */
  readonly isBuilt: boolean;
  endStreams(): void;
  stop(): Promise<void>;
}

/** Beyond the longest that a service waits for others. */
const ANSWER_MARGIN_MS = 5_000;

export async function makeWeb(parts: WebParts): Promise<Web> {
  const forwarders = makeForwarders(parts);
  const shop = forwarders.get('shop');
  const site = shop ? await makeSite(parts, shop) : null;
  return {
    mount: (app) => mountWeb(app, { forwarders, gate: parts.gate, site }),
    isBuilt: site !== null,
    endStreams: () => {
      for (const forwarder of forwarders.values()) forwarder.endStreams();
    },
    stop: async () => {
      await Promise.all([...forwarders.values()].map((forwarder) => forwarder.stop()));
    },
  };
}

/** Where a service is: in this process, or where the settings say. */
export function upstreamUrl(
  settings: Settings,
  ports: ReadonlyMap<Role, number>,
  upstream: Upstream,
): string | null {
  const { shopUrl, reservationsUrl, userUrl, paymentsUrl, securityServiceUrl, securityUrl, host } = settings;
  const elsewhere: Record<Upstream, string | undefined> = {
    shop: shopUrl,
    reservations: reservationsUrl,
    user: userUrl,
    payments: paymentsUrl,
    security: securityServiceUrl ?? securityUrl,
  };
  const port = ports.get(upstream);
  return port === undefined ? (elsewhere[upstream] ?? null) : `http://${loopbackOf(host)}:${port}`;
}

function makeForwarders({
  settings,
  url,
  isHere,
  seal,
  clock,
  logger,
}: WebParts): ReadonlyMap<Upstream, Forwarder> {
  const { bodyBytesMax, replyWaitMs, paymentTimeoutMs, sseClientsMax } = settings;
  const limits = {
    bodyBytesMax: Math.max(bodyBytesMax, RAW_BYTES_MIN),
    // A payment asks the actor, the provider, and the actor again.
    answerMs: 2 * replyWaitMs + paymentTimeoutMs + ANSWER_MARGIN_MS,
    streamsMax: sseClientsMax,
  };
  const made = UPSTREAMS.flatMap((upstream) => {
    const target = url(upstream);
    if (target === null) return [];
    const options = { upstream, url: target, isHere: isHere(upstream), seal, clock, logger, limits };
    return [[upstream, new Forwarder(options)] as const];
  });
  return new Map(made);
}

async function makeSite(
  { dir, settings, clock, logger }: WebParts,
  shop: Forwarder,
): Promise<WebOptions['site']> {
  const built = await findBuiltWeb(dir);
  if (!built) return null;
  const { publicUrl, stripeSecretKey, stripePublishableKey } = settings;
  const { origin } = new URL(publicUrl);
  const matches = new MatchesSource({ shop, clock, logger });
  const https = publicUrl.startsWith('https:');
  return {
    built,
    matches,
    origin,
    pages: new Pages({ built, matches, origin, clock, logger }),
    headers: pageHeaders({
      stripe: stripeSecretKey !== undefined || stripePublishableKey !== undefined,
      https,
    }),
    // Nothing is paid for there.
    gateHeaders: pageHeaders({ stripe: false, https, scans: true }),
  };
}
