/** Every mail in every language. */
import type { MailData, MailKind } from '../kinds.js';
import type { Locale } from '../locale.js';
import { arabic } from './ar.js';
import type { Context, Language } from './content.js';
import { english } from './en.js';
import { formatsOf } from './formats.js';
import { render, type Rendered } from './render.js';

export type { Context } from './content.js';

const LANGUAGES: { readonly [L in Locale]: Language & { readonly locale: L } } = { en: english, ar: arabic };

/** A mail's subject and both its parts. */
export function renderMail<K extends MailKind>(
  kind: K,
  locale: Locale,
  data: MailData[K],
  context: Omit<Context, 'formats'>,
): Rendered {
  const language = LANGUAGES[locale];
  const formats = formatsOf(language.intl, language.dir);
  // By name, so that the compiler sees that template and data are of one kind.
  const template: Language['mails'][K] = language.mails[kind];
  return render(template(data, { ...context, formats }), language, context.urlOf.home());
}
