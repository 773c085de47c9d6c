/** The last lines of a start: what is open where, and what to try first. */
import { ROLES, type Role, type Settings } from '../../config/settings.js';
import { residents } from '../peer/resident.js';
import type { Marketplace } from './marketplace.js';

const PURPOSE: Readonly<Record<Role, string>> = {
  client: 'the web app, and /api of all services',
  shop: 'matches, live availability, operators’ dashboard',
  consumer: 'messages of other marketplaces: health and metrics',
  reservations: 'hold, pay, cancel',
  user: 'accounts: register, log in',
  payments: 'webhook, payment state, refunds',
  security: 'checks, challenges, block list, audit',
  analytics: 'data lake and model: health and metrics',
  worker: 'actors: health and metrics',
};

const NOT_BUILT =
  '  The web app is not built, so there are no pages: run npm run build, and start again. /api is open.';

export function welcome(settings: Settings, marketplace: Marketplace): string {
  const host = settings.host === '0.0.0.0' || settings.host === '::' ? '127.0.0.1' : settings.host;
  const base = (role: Role): string => `http://${host}:${marketplace.ports.get(role) ?? 0}`;
  const lines = ['', `ticktak is open: ${marketplace.matches} matches on sale.`, ''];
  if (marketplace.ports.has('client')) {
    lines.push(marketplace.hasWebApp ? `  Open ${base('client')} in a browser.` : NOT_BUILT);
    if (marketplace.hasWebApp) lines.push(`  Operators: ${base('client')}/operator`);
    lines.push('');
  }
  // In the order of the roles: the one that people open comes first.
  for (const role of ROLES.filter((each) => marketplace.ports.has(each))) {
    lines.push(`  ${role.padEnd(13)} ${base(role).padEnd(26)} ${PURPOSE[role]}`);
  }
  if (marketplace.ports.has('shop')) {
    lines.push(
      '',
      `  dashboard     ${base('shop')}/admin/queues`,
      '                for operators: log in with an operator’s e-mail address and password',
    );
  }
  if (marketplace.firstOperator) lines.push('', ...firstOperatorLines(marketplace.firstOperator, settings));
  if (marketplace.mailDir !== null) lines.push('', `  mails         ${marketplace.mailDir}`);
  if (marketplace.matches === 0 && settings.kafkaBrokers !== undefined) {
    lines.push(
      '',
      `The market's list has not come yet: it is read from the topic ${settings.masterlistTopic}.`,
      '  npm run masterlist publishes the bundled one.',
    );
  }
  if (settings.peers > 0) lines.push('', ...peerLines(settings, base('shop')));
  if (marketplace.ports.has('shop') && marketplace.ports.has('reservations')) {
    lines.push('', 'Try first:', '', ...firstSteps(base('shop'), base('reservations')));
  }
  lines.push('', 'Ctrl-C stops it; the next start continues with the same holds and sales.', '');
  return lines.join('\n');
}

function firstOperatorLines(
  { email, password }: { readonly email: string; readonly password: string },
  { environment, operatorSecondFactor }: Settings,
): string[] {
  const needsFactor = environment === 'prod' || operatorSecondFactor === 'required';
  return [
    '  The first operator was made. The password is shown this once: keep it now.',
    `                ${email}`,
    `                ${password}`,
    ...(needsFactor
      ? ['                A second factor is required: set it up at /api/v1/users/me/second-factor.']
      : []),
  ];
}

function peerLines({ peers, peerRate, clientId }: Settings, shop: string): string[] {
  const names = residents(peers, clientId).map((peer) => `${peer.clientId} (${IDS[peer.ids]})`);
  return [
    `Other marketplaces play inside this process, each with about ${peerRate} sales per second:`,
    `  ${names.join(', ')}.`,
    `  See them sell: curl -N ${shop}/api/v1/availability/stream`,
  ];
}

const IDS = { full: 'with ids', client: 'names itself only', none: 'without ids' };

function firstSteps(shop: string, reservations: string): string[] {
  return [
    `  curl ${shop}/api/v1/matches/1`,
    `  curl -X POST ${reservations}/api/v1/reservations -H 'Content-Type: application/json' \\`,
    `       -d '{"matchNumber":1,"category":1,"quantity":1,"email":"you@example.org"}'`,
    `  curl -X POST ${reservations}/api/v1/reservations/<id>/payment -H 'Authorization: Bearer <token>' \\`,
    `       -H 'Content-Type: application/json' -d '{"paymentMethod":"4242424242424242"}'`,
    '',
    `  Endpoints, readable: ${shop}/api/v1/docs and ${reservations}/api/v1/docs`,
  ];
}
