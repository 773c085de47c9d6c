/** Mails in Arabic, right to left. Digits are those of tickets, bank statements and reservation numbers. */
import type { Match } from '../../catalog/match.js';
import type { AccountChange, MailData, ReservationFacts } from '../kinds.js';
import type { Content, Context, Language } from './content.js';

type Facts = [string, string][];

/** Arabic counts in six ways. */
const PLURALS = new Intl.PluralRules('ar');
const TICKETS: Readonly<Record<Intl.LDMLPluralRule, (count: number) => string>> = {
  zero: () => 'لا تذاكر',
  one: () => 'تذكرة واحدة',
  two: () => 'تذكرتان',
  few: (count) => `${count} تذاكر`,
  many: (count) => `${count} تذكرة`,
  other: (count) => `${count} تذكرة`,
};
const tickets = (count: number): string => TICKETS[PLURALS.select(count)](count);

const countOf = ({ quantity }: { readonly quantity?: number }): string[] =>
  quantity === undefined ? [] : [tickets(quantity)];

function titleOf(matchNumber: number, { match, formats }: Context): string {
  return match ? formats.teams(match) : `المباراة ${matchNumber}`;
}

function matchFacts(matchNumber: number, { match, formats }: Context): Facts {
  if (!match) return [['المباراة', `المباراة ${matchNumber}`]];
  return [
    ['المباراة', `${formats.teams(match)} (المباراة ${matchNumber})`],
    ['موعد الانطلاق', formats.kickoff(match)],
    ['الملعب', formats.name(match.location)],
  ];
}

function factsOf(data: ReservationFacts, context: Context, quantity = data.quantity): Facts {
  return [
    ...matchFacts(data.matchNumber, context),
    ['الفئة', String(data.category)],
    ['عدد التذاكر', String(quantity)],
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
  return [
    ...matchFacts(matchNumber, context),
    ['الفئة', String(category)],
    ['التذكرة', context.formats.name(ticketId)],
  ];
}

/** In the organiser's words. */
const said = ({ message, formats }: Context): string[] => (message === null ? [] : [formats.name(message)]);

const reference = ({ reservationId }: ReservationFacts): [string, string] => ['رقم الحجز', reservationId];

function moneyFacts(
  { unitPrice, currency }: ReservationFacts,
  { formats, amountMinor, tax }: Context,
): Facts {
  const facts: Facts = [
    ['سعر التذكرة', formats.price(unitPrice, currency)],
    ['المبلغ المدفوع', formats.money(amountMinor, currency)],
  ];
  if (tax) {
    const { name, percent, amountMinor: taxMinor } = tax;
    facts.push([
      `منه ${formats.name(name)} (${formats.name(`${formats.number(percent)}%`)})`,
      formats.money(taxMinor, currency),
    ]);
  }
  return facts;
}

const ARRIVAL = 'يظهر المبلغ عادةً في كشف البطاقة نفسها خلال 5 إلى 10 أيام عمل.';
const IF_SHOWN = 'وإذا أظهر مصرفك عملية دفع رغم ذلك، فسيُعاد المبلغ كاملًا دون أي إجراء منك.';

const unpaid = ({ hadPayment }: Context): string[] => [
  'لم يُخصم منك أي مبلغ.',
  ...(hadPayment ? [IF_SHOWN] : []),
];

const CHANGES: Readonly<Record<AccountChange, string>> = {
  password_changed: 'تم تغيير كلمة المرور لحسابك.',
  password_reset: 'تم تعيين كلمة مرور جديدة لحسابك.',
  second_factor_added: 'تم إعداد عامل تحقق ثانٍ لحسابك.',
  second_factor_removed: 'تمت إزالة عامل التحقق الثاني من حسابك.',
};

const whereAndWhen = (match: Pick<Match, 'dateUtc' | 'location'>, { formats }: Context): string =>
  `${formats.kickoff(match)}، ${formats.name(match.location)}`;

export const arabic: Language & { readonly locale: 'ar' } = {
  locale: 'ar',
  dir: 'rtl',
  intl: 'ar-u-nu-latn',
  footer:
    'أرسل إليك ticktak هذه الرسالة بسبب إجراء تم باستخدام عنوانك. للأسئلة: ردّ على هذه الرسالة، فالردود تصل إلى القائمين على هذا المتجر.',
  linkHint: 'أو افتح هذا العنوان:',
  mails: {
    purchase: (data, context): Content => ({
      subject: `تذاكرك: ${titleOf(data.matchNumber, context)}`,
      heading: 'أصبحت التذاكر لك',
      paragraphs: [
        context.hasTickets
          ? `شكرًا لشرائك. التذاكر مرفقة بهذه الرسالة (${tickets(data.quantity)}) لمباراة ${titleOf(data.matchNumber, context)}.`
          : `شكرًا لشرائك. تجد التذاكر (${tickets(data.quantity)}) لمباراة ${titleOf(data.matchNumber, context)} في صفحة الحجز أدناه.`,
      ],
      facts: [...factsOf(data, context), ...moneyFacts(data, context), reference(data)],
      action: { label: 'عرض الحجز', url: context.urlOf.reservation(data) },
      after: [
        'كل رمز يسمح بدخول شخص واحد مرة واحدة. من يملك هذه الرسالة يستطيع استخدام التذاكر، فلا تشاركها إلا مع من تثق به.',
      ],
    }),
    expired: (data, context) => ({
      subject: `انتهى الحجز المؤقت: ${titleOf(data.matchNumber, context)}`,
      heading: 'انتهى حجزك المؤقت',
      paragraphs: [
        `انتهت مهلة الدفع (${tickets(data.quantity)})، وعادت التذاكر إلى البيع.`,
        ...unpaid(context),
      ],
      facts: [...factsOf(data, context), reference(data)],
      action: { label: 'تحقق من توفر التذاكر', url: context.urlOf.match(data.matchNumber) },
      after: ['إذا كنت لا تزال ترغب فيها، فاحجز من جديد: لا يُحتسب عليك شيء من الحجز السابق.'],
    }),
    cancelled: (data, context) => ({
      subject: `أُلغي الحجز: ${titleOf(data.matchNumber, context)}`,
      heading: 'أُلغي حجزك',
      paragraphs: [`عادت التذاكر إلى البيع (${tickets(data.quantity)}).`, ...unpaid(context)],
      facts: [...factsOf(data, context), reference(data)],
      action: { label: 'عرض المباراة', url: context.urlOf.match(data.matchNumber) },
    }),
    refund: (data, context) => {
      const { formats, amountMinor, isDisputed } = context;
      const title = titleOf(data.matchNumber, context);
      const left = data.left === 0 ? [] : [`يبقى لك من هذا الحجز: ${tickets(data.left)}.`];
      if (isDisputed) {
        return {
          subject: `تذاكرك لم تعد صالحة: ${title}`,
          heading: 'تذاكرك لم تعد صالحة',
          paragraphs: [
            'أبلغنا مصرفك أن عملية الدفع محل نزاع وأنه استرد المبلغ. التذاكر التي دُفع ثمنها بها لم تعد صالحة ولا تسمح بالدخول.',
            ...left,
          ],
          facts: [...factsOf(data, context, data.given), reference(data)],
          action: { label: 'عرض الحجز', url: context.urlOf.reservation(data) },
        };
      }
      return {
        subject: `استرداد: ${title}`,
        heading: `نعيد إليك ${formats.money(amountMinor, data.currency)}`,
        paragraphs: [
          `أُعيدت التذاكر (${tickets(data.given)}) ولم تعد رموزها صالحة.`,
          `يعود مبلغ ${formats.money(amountMinor, data.currency)} إلى البطاقة التي دفعت بها. ${ARRIVAL}`,
          ...left,
        ],
        facts: [
          ...factsOf(data, context, data.given),
          ['المبلغ المعاد', formats.money(amountMinor, data.currency)],
          reference(data),
        ],
        action: { label: 'عرض الحجز', url: context.urlOf.reservation(data) },
      };
    },
    'waiting-list-offer': (data, context) => ({
      subject: `حان دورك: ${titleOf(data.matchNumber, context)}`,
      heading: 'تذاكر محجوزة لك مؤقتًا',
      paragraphs: [
        `كنت في قائمة الانتظار (${tickets(data.quantity)}) وقد حان دورك: التذاكر محجوزة لك حتى ${context.formats.time(data.expiresAt)}.`,
        'ادفع قبل ذلك الموعد لتصبح لك. بعده تنتقل إلى من يليك في القائمة وينتهي دورك.',
      ],
      facts: [
        ...factsOf(data, context),
        ['سعر التذكرة', context.formats.price(data.unitPrice, data.currency)],
        reference(data),
      ],
      action: { label: 'احصل على التذاكر', url: context.urlOf.reservation(data) },
      after: ['إذا لم تعد ترغب فيها، فألغِ الحجز من الصفحة نفسها: هناك من ينتظرها.'],
    }),
    'late-payment-reserved': (data, context) => ({
      subject: `تذاكرك محجوزة: ${titleOf(data.matchNumber, context)}`,
      heading: 'التذاكر لك رغم التأخر',
      paragraphs: [
        'وصلت دفعتك بعد انتهاء الحجز المؤقت. كانت التذاكر لا تزال متاحة بالسعر نفسه، وهي لك الآن.',
      ],
      facts: [...factsOf(data, context), reference(data)],
      action: { label: 'عرض الحجز', url: context.urlOf.reservation(data) },
    }),
    'late-payment-refunded': (data, context) => ({
      subject: 'نعيد إليك ما دفعته',
      heading: 'نعيد إليك ما دفعته',
      paragraphs: [
        'وصلت دفعتك بعد انتهاء الحجز المؤقت، ولم يعد الحصول على التذاكر ممكنًا: حُجزت لغيرك مثلًا، أو أُوقف البيع مؤقتًا.',
        `نعيد إليك كامل ما دفعته: ${context.formats.money(context.amountMinor, data.currency)}. ${ARRIVAL}`,
      ],
      facts: [...factsOf(data, context), reference(data)],
      action: { label: 'تحقق من توفر التذاكر', url: context.urlOf.match(data.matchNumber) },
    }),
    'match-cancelled': (data, context) => ({
      subject: `أُلغيت المباراة: ${titleOf(data.matchNumber, context)}`,
      heading: 'أُلغيت المباراة',
      paragraphs: [
        `لن تُلعب مباراة ${titleOf(data.matchNumber, context)}.`,
        ...said(context),
        data.charged
          ? `تذاكرك (${tickets(data.quantity)}) لا تسمح بالدخول. نعيد إليك كامل ما دفعته: ${context.formats.money(context.amountMinor, data.currency)} دون أي إجراء منك. ${ARRIVAL}`
          : `انتهى حجزك المؤقت (${tickets(data.quantity)}). لم يُخصم شيء، ولا يلزمك أي إجراء.`,
      ],
      facts: [...factsOf(data, context), reference(data)],
      action: { label: 'عرض الحجز', url: context.urlOf.reservation(data) },
    }),
    'match-cancelled-holder': (data, context) => ({
      subject: `أُلغيت المباراة: ${titleOf(data.matchNumber, context)}`,
      heading: 'أُلغيت المباراة',
      paragraphs: [
        `لن تُلعب مباراة ${titleOf(data.matchNumber, context)}. التذكرة التي حُوِّلت إليك لا تسمح بالدخول.`,
        ...said(context),
        'يُعاد المبلغ إلى من اشتراها. لا يلزمك أي إجراء.',
      ],
      facts: transferFacts(data, context),
    }),
    'match-rescheduled': (data, context) => {
      const former = { dateUtc: data.formerDateUtc, location: data.formerLocation };
      return {
        subject: `موعد أو مكان جديد: ${titleOf(data.matchNumber, context)}`,
        heading: 'تغيّر موعد المباراة أو مكانها',
        paragraphs: [
          'تغيّر موعد مباراتك أو مكانها. تبقى تذاكرك صالحة كما هي.',
          ...said(context),
          ...(context.refundUntil === null
            ? []
            : [
                `إن تعذّر عليك الحضور، يمكنك إعادة تذاكرك واسترداد كامل ثمنها حتى ${context.formats.time(context.refundUntil)} من صفحة حجزك.`,
              ]),
        ],
        facts: [['سابقًا', whereAndWhen(former, context)], ...factsOf(data, context), reference(data)],
        action: { label: 'عرض الحجز', url: context.urlOf.reservation(data) },
      };
    },
    'match-rescheduled-holder': (data, context) => {
      const former = { dateUtc: data.formerDateUtc, location: data.formerLocation };
      return {
        subject: `موعد أو مكان جديد: ${titleOf(data.matchNumber, context)}`,
        heading: 'تغيّر موعد المباراة أو مكانها',
        paragraphs: [
          'تغيّر موعد مباراة التذكرة التي حُوِّلت إليك أو مكانها. تبقى التذكرة صالحة كما هي.',
          ...said(context),
        ],
        facts: [['سابقًا', whereAndWhen(former, context)], ...transferFacts(data, context)],
        action: { label: 'عرض تذاكرك', url: context.urlOf.tickets() },
      };
    },
    'ticket-offered': (data, context) => ({
      subject: `تذكرة لك: ${titleOf(data.matchNumber, context)}`,
      heading: 'يعرض عليك أحدهم تذكرة',
      paragraphs: [
        `يعرض عليك ${context.formats.name(data.from)} تذكرة.`,
        'سجّل الدخول أو أنشئ حسابًا بهذا البريد الإلكتروني لقبولها. تبقى التذكرة له حتى ذلك الحين، ويمكنه سحب العرض.',
      ],
      facts: transferFacts(data, context),
      action: { label: 'اطّلع على العرض', url: context.urlOf.tickets() },
      after: ['إذا كنت لا تعرف المرسل، فلا تفعل شيئًا: لا يُطلب منك شيء.'],
    }),
    'ticket-given': (data, context) => ({
      subject: `تعرض تذكرة: ${titleOf(data.matchNumber, context)}`,
      heading: 'تعرض تذكرة على غيرك',
      paragraphs: [
        `تعرض تذكرة على ${context.formats.name(data.to)}. عند قبولها لا يعود رمزك لها صالحًا، ويمكنك سحب العرض حتى ذلك الحين.`,
      ],
      facts: transferFacts(data, context),
      action: { label: 'عرض تذاكرك', url: context.urlOf.tickets() },
      after: ['إن لم تكن أنت من فعل ذلك، فاسحب العرض فورًا وعيّن كلمة مرور جديدة.'],
    }),
    'ticket-declined': (data, context) => ({
      subject: `رُفض العرض: ${titleOf(data.matchNumber, context)}`,
      heading: 'رُفض عرضك',
      paragraphs: [`رفض ${context.formats.name(data.by)} التذكرة التي عرضتها. لا تزال لك، ورمزها صالح.`],
      facts: transferFacts(data, context),
      action: { label: 'عرض تذاكرك', url: context.urlOf.tickets() },
    }),
    'ticket-accepted': (data, context) => ({
      subject: `نُقلت التذكرة: ${titleOf(data.matchNumber, context)}`,
      heading: 'لتذكرتك حامل جديد',
      paragraphs: [
        `قبل ${context.formats.name(data.by)} التذكرة التي عرضتها.`,
        'لم يعد رمزك لها صالحًا من الآن؛ وللحامل الجديد رمز آخر.',
      ],
      facts: transferFacts(data, context),
      action: { label: 'عرض تذاكرك', url: context.urlOf.tickets() },
    }),
    'ticket-withdrawn': (data, context) => ({
      subject: `سُحب العرض: ${titleOf(data.matchNumber, context)}`,
      heading: 'سُحب العرض',
      paragraphs: [`لم يعد ${context.formats.name(data.from)} يعرض عليك هذه التذكرة.`],
      facts: transferFacts(data, context),
    }),
    lookup: (data, context) => ({
      subject: 'حجوزاتك',
      heading: 'حجوزاتك',
      paragraphs: ['طلب أحدهم، والأرجح أنه أنت، الحجوزات التي تمت بهذا العنوان. يفتح كل رابط حجزًا واحدًا.'],
      links: data.reservations.map((one) => ({
        label: [`المباراة ${one.matchNumber}، الفئة ${one.category}`, ...countOf(one)].join('، '),
        url: context.urlOf.reservation(one),
      })),
      after: ['من يملك رابطًا يستطيع عرض ذلك الحجز أو دفعه أو إلغاءه: احتفظ بهذه الرسالة لنفسك.'],
    }),
    'confirm-email': ({ link }) => ({
      subject: 'أكّد بريدك الإلكتروني',
      heading: 'أكّد بريدك الإلكتروني',
      paragraphs: ['لتأكيد أن هذا العنوان لك، افتح الرابط خلال 24 ساعة:'],
      action: { label: 'تأكيد العنوان', url: link },
      after: ['إذا لم تطلب ذلك، فلا تفعل شيئًا: لا يستطيع أحد استخدام عنوانك دونه.'],
    }),
    'reset-password': ({ link }) => ({
      subject: 'تعيين كلمة مرور جديدة',
      heading: 'تعيين كلمة مرور جديدة',
      paragraphs: ['لتعيين كلمة مرور جديدة لحسابك في ticktak، افتح الرابط خلال ساعة واحدة:'],
      action: { label: 'تعيين كلمة مرور جديدة', url: link },
      after: ['إذا لم تطلب ذلك، فلا تفعل شيئًا: تبقى كلمة مرورك كما هي.'],
    }),
    notice: ({ change }, { urlOf }) => ({
      subject: 'تغيير في حسابك لدى ticktak',
      heading: 'تغيير في حسابك',
      paragraphs: [
        CHANGES[change],
        'إن كنت أنت من فعل ذلك فلا حاجة إلى شيء. وإن لم تكن أنت، فعيّن كلمة مرور جديدة فورًا:',
      ],
      action: { label: 'تعيين كلمة مرور جديدة', url: urlOf.resetPassword() },
    }),
  },
};
