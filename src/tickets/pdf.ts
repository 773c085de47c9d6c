/**
 * Draws tickets: one page for each. Guarantees: a page holds no more of the holder's address than its owner
 * recognises; pages of one document are limited.
 *
 * It comes with fonts and a shaper of text, 10 MB of a process's memory: pdf-desk.ts loads it at the first document.
 */
import PDFDocument from 'pdfkit';
import { encode } from 'uqr';
import { arabicName } from './names-ar.js';
import { PAGES_MAX, type PdfLanguage, type TicketPage } from './pdf-desk.js';
import { drawLine, registerFonts, type Direction, type Line } from './pdf-text.js';

interface Words {
  readonly title: string;
  readonly match: string;
  readonly versus: string;
  readonly group: string;
  readonly when: string;
  readonly where: string;
  readonly category: string;
  readonly price: string;
  readonly holder: string;
  readonly number: string;
  readonly of: (number: number, of: number) => string;
  readonly ticket: string;
  readonly notes: readonly string[];
}

const WORDS: Readonly<Record<PdfLanguage, Words>> = {
  en: {
    title: 'Ticket',
    match: 'Match',
    versus: 'v',
    group: 'Group',
    when: 'Date and time',
    where: 'Stadium',
    category: 'Category',
    price: 'Price',
    holder: 'Holder',
    number: 'Ticket',
    of: (number, of) => `${number} of ${of}`,
    ticket: 'Ticket number',
    notes: [
      'Admits one person, once. Show the code at the gate.',
      'Whoever has a copy of the code can use it: keep it to yourself.',
      'Once the ticket is refunded, or accepted by somebody else, this code is void.',
    ],
  },
  ar: {
    title: 'تذكرة',
    match: 'المباراة',
    versus: 'ضد',
    group: 'المجموعة',
    when: 'التاريخ والوقت',
    where: 'الملعب',
    category: 'الفئة',
    price: 'السعر',
    holder: 'حامل التذكرة',
    number: 'التذكرة',
    of: (number, of) => `${number} من ${of}`,
    ticket: 'رقم التذكرة',
    notes: [
      'تسمح بدخول شخص واحد مرة واحدة. أظهر الرمز عند البوابة.',
      'كل من لديه نسخة من الرمز يمكنه استخدامه: احتفظ به لنفسك.',
      'إذا استُرد ثمن التذكرة أو قبلها شخص آخر، يصبح هذا الرمز لاغيًا.',
    ],
  },
};

/** A4, in points. */
const PAGE = { width: 595.28, height: 841.89, margin: 56 };
const INNER = PAGE.width - 2 * PAGE.margin;
const ACCENT = '#7a1237';
const INK = '#1b1b1f';
const QUIET = '#55555c';
const RULE = '#d9d4d6';
/** Modules of white around a QR code (ISO/IEC 18004). */
const QUIET_ZONE = 4;

/** One page for each, at most `PAGES_MAX`. */
export async function ticketsPdf(pages: readonly TicketPage[], language: PdfLanguage): Promise<Buffer> {
  if (pages.length === 0 || pages.length > PAGES_MAX) {
    throw new Error(`a document has 1 to ${PAGES_MAX} tickets, not ${pages.length}`);
  }
  const document = new PDFDocument({
    size: [PAGE.width, PAGE.height],
    margin: 0,
    autoFirstPage: false,
    lang: language,
    displayTitle: true,
    info: {
      Title: titleOf(pages, language),
      Author: 'ticktak',
      CreationDate: new Date(0),
      ModDate: new Date(0),
    },
  });
  const chunks: Buffer[] = [];
  const made = new Promise<Buffer>((resolve, reject) => {
    document.on('data', (chunk: Buffer) => chunks.push(chunk));
    document.on('end', () => resolve(Buffer.concat(chunks)));
    document.on('error', reject);
  });
  registerFonts(document);
  for (const page of pages) {
    document.addPage();
    draw(document, page, language);
    // Others are served between two pages.
    await new Promise((resolve) => setImmediate(resolve));
  }
  document.end();
  return made;
}

function titleOf(pages: readonly TicketPage[], language: PdfLanguage): string {
  const { match, title } = WORDS[language];
  return `${title} · ${match} ${pages[0]?.match.matchNumber ?? ''}`;
}

function draw(document: PDFKit.PDFDocument, page: TicketPage, language: PdfLanguage): void {
  const words = WORDS[language];
  const direction: Direction = language === 'ar' ? 'rtl' : 'ltr';
  const line = (text: string, y: number, more: Partial<Line>): void =>
    drawLine(document, {
      text,
      direction,
      size: 12,
      colour: INK,
      x: PAGE.margin,
      width: INNER,
      y,
      ...more,
    });
  const { match, category, number, of, id } = page;
  const name = (text: string): string => (language === 'ar' ? arabicName(text) : text);

  document.rect(0, 0, PAGE.width, 96).fill(ACCENT);
  line(words.title, 58, { size: 26, weight: 700, colour: '#ffffff' });
  line('ticktak', 58, { size: 16, weight: 700, colour: '#ffffff', align: 'end' });

  const stage = match.group === null ? '' : ` · ${words.group} ${match.group}`;
  line(`${words.match} ${match.matchNumber}${stage}`, 136, { size: 12, colour: QUIET });
  line(`${name(match.homeTeam)} ${words.versus} ${name(match.awayTeam)}`, 168, { size: 24, weight: 700 });

  const rows = [
    [words.when, dateOf(match.dateUtc, language)],
    [words.where, name(match.location)],
    [words.category, String(category)],
    [words.price, priceOf(page)],
    [words.number, words.of(number, of)],
    ...(page.holder === '' ? [] : [[words.holder, masked(page.holder)]]),
  ] as const;
  let y = 212;
  for (const [label = '', value = ''] of rows) {
    line(label, y, { size: 10.5, colour: QUIET, ...column(direction, 0, 120) });
    line(value, y, { size: 12.5, weight: 700, ...column(direction, 132, INNER - 132) });
    y += 26;
  }
  document
    .moveTo(PAGE.margin, y - 6)
    .lineTo(PAGE.width - PAGE.margin, y - 6)
    .lineWidth(1)
    .stroke(RULE);

  const side = 250;
  drawQr(document, page.code, (PAGE.width - side) / 2, y + 12, side);
  line(words.ticket, y + side + 34, { size: 10, colour: QUIET, align: 'centre' });
  line(id, y + side + 50, { size: 10, align: 'centre' });

  let noteY = PAGE.height - PAGE.margin - (words.notes.length - 1) * 17;
  for (const note of words.notes) {
    line(note, noteY, { size: 10, colour: QUIET });
    noteY += 17;
  }
}

/** A column that begins so far from where lines begin. */
function column(direction: Direction, from: number, width: number): Pick<Line, 'x' | 'width'> {
  return { x: direction === 'rtl' ? PAGE.width - PAGE.margin - from - width : PAGE.margin + from, width };
}

function drawQr(document: PDFKit.PDFDocument, code: string, x: number, y: number, side: number): void {
  const { data, size } = encode(code, { ecc: 'M', border: QUIET_ZONE });
  const unit = side / size;
  document.rect(x, y, side, side).fill('#ffffff');
  data.forEach((row, line) => {
    // Neighbours as one bar: no hairline between them, and a smaller file.
    for (let from = 0; from < row.length; from += 1) {
      if (!row[from]) continue;
      const start = from;
      while (row[from + 1]) from += 1;
      document.rect(x + start * unit, y + line * unit, (from + 1 - start) * unit, unit);
    }
  });
  document.fill('#000000');
}

function dateOf(dateUtc: string, language: PdfLanguage): string {
  const format = new Intl.DateTimeFormat(language === 'ar' ? 'ar-u-nu-latn-ca-gregory' : 'en-GB', {
    dateStyle: 'full',
    timeZone: 'UTC',
  });
  const date = new Date(dateUtc);
  const comma = language === 'ar' ? '،' : ',';
  return `${format.format(date)}${comma} ${date.toISOString().slice(11, 16)} UTC`;
}

function priceOf({ unitPrice, currency }: TicketPage): string {
  const code = currency.toUpperCase();
  const format = new Intl.NumberFormat('en', { style: 'currency', currency: code, currencyDisplay: 'code' });
  const { maximumFractionDigits: digits = 2 } = format.resolvedOptions();
  return `${unitPrice.toFixed(digits)} ${code}`;
}

/** `f…n@example.org`: enough for its owner. */
export function masked(email: string): string {
  const at = email.lastIndexOf('@');
  if (at < 1) return '…';
  const local = Array.from(email.slice(0, at));
  const end = local.length > 3 ? (local.at(-1) ?? '') : '';
  return `${local[0] ?? ''}…${end}${email.slice(at)}`;
}
