/** Times, days and money as text. */
import type { ReactNode } from 'react';
import { useLocale } from '../i18n/locale';

/**
 * Text that Intl made. The server's and the browser's versions of the locale data may write it a little differently
 * (a space, a comma): that is no reason to render the page anew.
 */
export function Intlized({
  children,
  className,
}: {
  readonly children: string;
  readonly className?: string;
}): ReactNode {
  return (
    <span suppressHydrationWarning className={className}>
      {children}
    </span>
  );
}

export function Time(props: {
  readonly at: number | string;
  readonly children: string;
  readonly className?: string;
}): ReactNode {
  return (
    <time dateTime={new Date(props.at).toISOString()} suppressHydrationWarning className={props.className}>
      {props.children}
    </time>
  );
}

export function Money({
  amount,
  currency,
}: {
  readonly amount: number;
  readonly currency: string | undefined;
}): ReactNode {
  const { format } = useLocale();
  return (
    <bdi className="money" suppressHydrationWarning>
      {format.money(amount, currency ?? DEFAULT_CURRENCY)}
    </bdi>
  );
}

/** Of lists whose server does not tell. */
export const DEFAULT_CURRENCY = 'usd';
