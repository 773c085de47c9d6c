/** Mails in English. */
import type { Match } from '../../catalog/match.js';
import type { AccountChange, MailData, ReservationFacts } from '../kinds.js';
import type { Content, Context, Language } from './content.js';

type Facts = [string, string][];

const tickets = (count: number): string => (count === 1 ? '1 ticket' : `${count} tickets`);

const countOf = ({ quantity }: { readonly quantity?: number }): string[] =>
  quantity === undefined ? [] : [tickets(quantity)];

function titleOf(matchNumber: number, { match, formats }: Context): string {
  return match ? formats.teams(match) : `Match ${matchNumber}`;
}

function matchFacts(matchNumber: number, { match, formats }: Context): Facts {
  if (!match) return [['Match', `Match ${matchNumber}`]];
  return [
    ['Match', `${formats.teams(match)} (match ${matchNumber})`],
    ['Kick-off', formats.kickoff(match)],
    ['Stadium', match.location],
  ];
}

function factsOf(data: ReservationFacts, context: Context, quantity = data.quantity): Facts {
  return [
    ...matchFacts(data.matchNumber, context),
    ['Category', String(data.category)],
    ['Tickets', String(quantity)],
  ];
}

function transferFacts(
  {
    matchNumber,
    category,
    ticketId,
  }: Pick<MailData['ticket-given'], 'ticketId' | 'matchNumber' | 'category'>,
  context: Context,
): Facts {
  return [...matchFacts(matchNumber, context), ['Category', String(category)], ['Ticket', ticketId]];
}

/** In the organiser's words. */
const said = ({ message, formats }: Context): string[] => (message === null ? [] : [formats.name(message)]);

const reference = ({ reservationId }: ReservationFacts): [string, string] => ['Reservation', reservationId];

function moneyFacts(
  { unitPrice, currency }: ReservationFacts,
  { formats, amountMinor, tax }: Context,
): Facts {
  const facts: Facts = [
    ['Price per ticket', formats.price(unitPrice, currency)],
    ['Total paid', formats.money(amountMinor, currency)],
  ];
  if (tax) {
    const { name, percent, amountMinor: taxMinor } = tax;
    facts.push([`Of which ${name} (${formats.number(percent)} %)`, formats.money(taxMinor, currency)]);
  }
  return facts;
}

const ARRIVAL = 'Banks usually show it on the same card within 5 to 10 working days.';
const IF_SHOWN =
  'Should your bank show a payment all the same, it is given back in full without your doing anything.';

const unpaid = ({ hadPayment }: Context): string[] => [
  'Nothing was charged.',
  ...(hadPayment ? [IF_SHOWN] : []),
];

const CHANGES: Readonly<Record<AccountChange, string>> = {
  password_changed: 'The password of your account was changed.',
  password_reset: 'A new password was set for your account.',
  second_factor_added: 'A second factor was set up for your account.',
  second_factor_removed: 'The second factor of your account was removed.',
};

const whereAndWhen = (match: Pick<Match, 'dateUtc' | 'location'>, { formats }: Context): string =>
  `${formats.kickoff(match)}, ${match.location}`;

export const english: Language & { readonly locale: 'en' } = {
  locale: 'en',
  dir: 'ltr',
  intl: 'en-GB',
  footer:
    'ticktak sent this mail because of something that was done with your address. Questions? Answer this mail: it reaches the people who run this shop.',
  linkHint: 'Or open this address:',
  mails: {
    purchase: (data, context): Content => ({
      subject: `Your tickets: ${titleOf(data.matchNumber, context)}`,
      heading: 'Your tickets are yours',
      paragraphs: [
        context.hasTickets
          ? `Thank you for your purchase. Your ${tickets(data.quantity)} for ${titleOf(data.matchNumber, context)} ${data.quantity === 1 ? 'is' : 'are'} attached to this mail.`
          : `Thank you for your purchase. You find your ${tickets(data.quantity)} for ${titleOf(data.matchNumber, context)} with the reservation below.`,
      ],
      facts: [...factsOf(data, context), ...moneyFacts(data, context), reference(data)],
      action: { label: 'See your reservation', url: context.urlOf.reservation(data) },
      after: [
        'Each code admits one person once. Whoever has this mail can use the tickets: pass it on to nobody you do not trust.',
      ],
    }),
    expired: (data, context) => ({
      subject: `Your hold has ended: ${titleOf(data.matchNumber, context)}`,
      heading: 'Your hold has ended',
      paragraphs: [
        `The time to pay for ${tickets(data.quantity)} ran out, so ${data.quantity === 1 ? 'it was' : 'they were'} given back to the sale.`,
        ...unpaid(context),
      ],
      facts: [...factsOf(data, context), reference(data)],
      action: { label: 'See whether there are tickets', url: context.urlOf.match(data.matchNumber) },
      after: ['If you still want them, hold tickets again: nothing of the earlier hold counts against you.'],
    }),
    cancelled: (data, context) => ({
      subject: `Reservation cancelled: ${titleOf(data.matchNumber, context)}`,
      heading: 'Your reservation is cancelled',
      paragraphs: [
        `${data.quantity === 1 ? 'Your ticket was' : 'Your tickets were'} given back to the sale.`,
        ...unpaid(context),
      ],
      facts: [...factsOf(data, context), reference(data)],
      action: { label: 'See the match', url: context.urlOf.match(data.matchNumber) },
    }),
    refund: (data, context) => {
      const { formats, amountMinor, isDisputed } = context;
      const title = titleOf(data.matchNumber, context);
      const left = data.left === 0 ? [] : [`You keep ${tickets(data.left)} of this reservation.`];
      if (isDisputed) {
        return {
          subject: `Your tickets are void: ${title}`,
          heading: 'Your tickets are void',
          paragraphs: [
            'Your bank told us that the payment is disputed and has taken it back. The tickets it paid for are void and will not admit anybody.',
            ...left,
          ],
          facts: [...factsOf(data, context, data.given), reference(data)],
          action: { label: 'See your reservation', url: context.urlOf.reservation(data) },
        };
      }
      return {
        subject: `Refund: ${title}`,
        heading: `We give back ${formats.money(amountMinor, data.currency)}`,
        paragraphs: [
          `${tickets(data.given)} ${data.given === 1 ? 'is' : 'are'} given back, and ${data.given === 1 ? 'its code is' : 'their codes are'} void.`,
          `${formats.money(amountMinor, data.currency)} goes back to the card you paid with. ${ARRIVAL}`,
          ...left,
        ],
        facts: [
          ...factsOf(data, context, data.given),
          ['Given back', formats.money(amountMinor, data.currency)],
          reference(data),
        ],
        action: { label: 'See your reservation', url: context.urlOf.reservation(data) },
      };
    },
    'waiting-list-offer': (data, context) => ({
      subject: `Your turn: ${titleOf(data.matchNumber, context)}`,
      heading:
        data.quantity === 1 ? 'A ticket is held for you' : `${tickets(data.quantity)} are held for you`,
      paragraphs: [
        `You waited for ${tickets(data.quantity)}, and it is your turn: ${data.quantity === 1 ? 'it is' : 'they are'} held for you until ${context.formats.time(data.expiresAt)}.`,
        'Pay before then and they are yours. After that they go to the next in line, and your place has ended.',
      ],
      facts: [
        ...factsOf(data, context),
        ['Price per ticket', context.formats.price(data.unitPrice, data.currency)],
        reference(data),
      ],
      action: { label: 'Take the tickets', url: context.urlOf.reservation(data) },
      after: [
        'If you do not want them any more, cancel the reservation there: somebody else waits for them.',
      ],
    }),
    'late-payment-reserved': (data, context) => ({
      subject: `Your tickets are reserved: ${titleOf(data.matchNumber, context)}`,
      heading: 'Your tickets are yours after all',
      paragraphs: [
        'Your payment came after your hold had ended. The tickets were still to be had, at the same price: they are yours.',
      ],
      facts: [...factsOf(data, context), reference(data)],
      action: { label: 'See your reservation', url: context.urlOf.reservation(data) },
    }),
    'late-payment-refunded': (data, context) => ({
      subject: 'Your payment is given back',
      heading: 'Your payment is given back',
      paragraphs: [
        'Your payment came after your hold had ended, and the tickets could not be had again: others have them, say, or sales are paused.',
        `We give back all of what you paid: ${context.formats.money(context.amountMinor, data.currency)}. ${ARRIVAL}`,
      ],
      facts: [...factsOf(data, context), reference(data)],
      action: { label: 'See whether there are tickets', url: context.urlOf.match(data.matchNumber) },
    }),
    'match-cancelled': (data, context) => ({
      subject: `Match cancelled: ${titleOf(data.matchNumber, context)}`,
      heading: 'The match is cancelled',
      paragraphs: [
        `${titleOf(data.matchNumber, context)} will not be played.`,
        ...said(context),
        data.charged
          ? `Your ${tickets(data.quantity)} will not admit anybody. We give back all of what you paid: ${context.formats.money(context.amountMinor, data.currency)}. You need not do anything. ${ARRIVAL}`
          : `The hold of ${tickets(data.quantity)} has ended. Nothing was charged, and you need not do anything.`,
      ],
      facts: [...factsOf(data, context), reference(data)],
      action: { label: 'See your reservation', url: context.urlOf.reservation(data) },
    }),
    'match-cancelled-holder': (data, context) => ({
      subject: `Match cancelled: ${titleOf(data.matchNumber, context)}`,
      heading: 'The match is cancelled',
      paragraphs: [
        `${titleOf(data.matchNumber, context)} will not be played. The ticket that was passed on to you will not admit anybody.`,
        ...said(context),
        'The money goes back to whoever bought it. You need not do anything.',
      ],
      facts: transferFacts(data, context),
    }),
    'match-rescheduled': (data, context) => {
      const former = { dateUtc: data.formerDateUtc, location: data.formerLocation };
      return {
        subject: `New date or place: ${titleOf(data.matchNumber, context)}`,
        heading: 'The match was moved',
        paragraphs: [
          'When or where your match is played has changed. Your tickets stay valid as they are.',
          ...said(context),
          ...(context.refundUntil === null
            ? []
            : [
                `If you cannot come, you may give your tickets back for all of their price until ${context.formats.time(context.refundUntil)}, on the page of your reservation.`,
              ]),
        ],
        facts: [['Before', whereAndWhen(former, context)], ...factsOf(data, context), reference(data)],
        action: { label: 'See your reservation', url: context.urlOf.reservation(data) },
      };
    },
    'match-rescheduled-holder': (data, context) => {
      const former = { dateUtc: data.formerDateUtc, location: data.formerLocation };
      return {
        subject: `New date or place: ${titleOf(data.matchNumber, context)}`,
        heading: 'The match was moved',
        paragraphs: [
          'When or where the match of the ticket that was passed on to you is played has changed. The ticket stays valid as it is.',
          ...said(context),
        ],
        facts: [['Before', whereAndWhen(former, context)], ...transferFacts(data, context)],
        action: { label: 'See your tickets', url: context.urlOf.tickets() },
      };
    },
    'ticket-offered': (data, context) => ({
      subject: `A ticket for you: ${titleOf(data.matchNumber, context)}`,
      heading: 'Somebody passes a ticket on to you',
      paragraphs: [
        `${context.formats.name(data.from)} offers you a ticket.`,
        'Log in, or register, with this e-mail address to accept it. Until then it stays theirs, and they can take the offer back.',
      ],
      facts: transferFacts(data, context),
      action: { label: 'See the offer', url: context.urlOf.tickets() },
      after: ['If you do not know who this is, do nothing: nothing is asked of you.'],
    }),
    'ticket-given': (data, context) => ({
      subject: `You offer a ticket: ${titleOf(data.matchNumber, context)}`,
      heading: 'You offer a ticket',
      paragraphs: [
        `You offer a ticket to ${context.formats.name(data.to)}. When it is accepted your code for it is void; until then you can take the offer back.`,
      ],
      facts: transferFacts(data, context),
      action: { label: 'See your tickets', url: context.urlOf.tickets() },
      after: ['If that was not you, take it back at once and set a new password.'],
    }),
    'ticket-declined': (data, context) => ({
      subject: `Offer declined: ${titleOf(data.matchNumber, context)}`,
      heading: 'Your offer was declined',
      paragraphs: [
        `${context.formats.name(data.by)} declined the ticket that you offered. It is still yours, and its code is valid.`,
      ],
      facts: transferFacts(data, context),
      action: { label: 'See your tickets', url: context.urlOf.tickets() },
    }),
    'ticket-accepted': (data, context) => ({
      subject: `Ticket passed on: ${titleOf(data.matchNumber, context)}`,
      heading: 'Your ticket has a new holder',
      paragraphs: [
        `${context.formats.name(data.by)} accepted the ticket that you offered.`,
        'Your code for it is void from now on; the new holder has another.',
      ],
      facts: transferFacts(data, context),
      action: { label: 'See your tickets', url: context.urlOf.tickets() },
    }),
    'ticket-withdrawn': (data, context) => ({
      subject: `Offer taken back: ${titleOf(data.matchNumber, context)}`,
      heading: 'The offer was taken back',
      paragraphs: [`${context.formats.name(data.from)} does not offer you this ticket any more.`],
      facts: transferFacts(data, context),
    }),
    lookup: (data, context) => ({
      subject: 'Your reservations',
      heading: 'Your reservations',
      paragraphs: [
        'Somebody, most likely you, asked for the reservations that were made with this address. Each link opens one of them.',
      ],
      links: data.reservations.map((one) => ({
        label: [`Match ${one.matchNumber}, category ${one.category}`, ...countOf(one)].join(', '),
        url: context.urlOf.reservation(one),
      })),
      after: ['Whoever has a link can see, pay or cancel that reservation: keep this mail to yourself.'],
    }),
    'confirm-email': ({ link }) => ({
      subject: 'Confirm your e-mail address',
      heading: 'Confirm your e-mail address',
      paragraphs: ['To confirm that this address is yours, open within 24 hours:'],
      action: { label: 'Confirm this address', url: link },
      after: ['If you did not ask for this, do nothing: without it nobody can use your address.'],
    }),
    'reset-password': ({ link }) => ({
      subject: 'Set a new password',
      heading: 'Set a new password',
      paragraphs: ['To set a new password for your ticktak account, open within one hour:'],
      action: { label: 'Set a new password', url: link },
      after: ['If you did not ask for this, do nothing: your password stays as it is.'],
    }),
    notice: ({ change }, { urlOf }) => ({
      subject: 'A change of your ticktak account',
      heading: 'A change of your account',
      paragraphs: [
        CHANGES[change],
        'If that was you, there is nothing to do. If it was not, set a new password at once:',
      ],
      action: { label: 'Set a new password', url: urlOf.resetPassword() },
    }),
  },
};
