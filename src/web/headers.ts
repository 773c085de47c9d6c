/**
 * What browsers are told about our pages: only our own scripts and styles run, nobody frames them, and no other
 * site learns which page was read.
 */

export interface PageHeaderOptions {
  /** Payments are Stripe's: its script and its frames are let in, and nothing else of others. */
  readonly stripe: boolean;
  /** Browsers come by HTTPS only. */
  readonly https: boolean;
  /** The page of the gates: the camera may be used, and what reads its pictures is WebAssembly of ours. */
  readonly scans?: boolean;
}

/** https://docs.stripe.com/security/guide#content-security-policy */
const STRIPE = {
  script: ['https://js.stripe.com', 'https://*.js.stripe.com'],
  connect: ['https://api.stripe.com'],
  frame: ['https://js.stripe.com', 'https://*.js.stripe.com', 'https://hooks.stripe.com'],
} as const;

const HSTS_SECONDS = 365 * 24 * 60 * 60;

export function contentSecurityPolicy({ stripe, https, scans = false }: PageHeaderOptions): string {
  const theirs = stripe ? STRIPE : { script: [], connect: [], frame: [] };
  const directives: readonly (readonly [name: string, ...sources: string[]])[] = [
    ['default-src', "'none'"],
    // No inline script at all: what a page starts with is data in it, which nothing runs.
    ['script-src', "'self'", ...(scans ? ["'wasm-unsafe-eval'"] : []), ...theirs.script],
    // No inline style either: what the app computes it sets through the DOM, which no policy is needed for.
    ['style-src', "'self'"],
    ['img-src', "'self'", 'data:'],
    ['font-src', "'self'"],
    ['connect-src', "'self'", ...theirs.connect],
    // The proof of work runs in a worker of ours, and so does what opens the page of the gates without a network.
    ['worker-src', "'self'"],
    ['manifest-src', "'self'"],
    ...(stripe ? [['frame-src', ...theirs.frame] as const] : []),
    ['form-action', "'self'"],
    ['base-uri', "'none'"],
    ['frame-ancestors', "'none'"],
    ...(https ? [['upgrade-insecure-requests'] as const] : []),
  ];
  return directives.map((directive) => directive.join(' ')).join('; ');
}

export function pageHeaders(options: PageHeaderOptions): Readonly<Record<string, string>> {
  const camera = options.scans === true ? '(self)' : '()';
  const paysWith = options.stripe ? '(self "https://js.stripe.com")' : '()';
  return {
    'Content-Security-Policy': contentSecurityPolicy(options),
    'Permissions-Policy': `camera=${camera}, display-capture=(), geolocation=(), microphone=(), payment=${paysWith}, usb=()`,
    // Addresses of reservations are in paths: others learn where somebody comes from, not from which page.
    'Referrer-Policy': 'strict-origin',
    'X-Frame-Options': 'DENY',
    // Not for subdomains: who sells tickets at the top of a domain does not decide for the rest of it.
    ...(options.https && { 'Strict-Transport-Security': `max-age=${HSTS_SECONDS}` }),
  };
}

/** Of the service worker's script: its policy is not the page's but that of its own answer. */
export const SERVICE_WORKER_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': "default-src 'none'; connect-src 'self'",
  // A browser that kept an old one would not learn of a new page.
  'Cache-Control': 'no-cache',
};
