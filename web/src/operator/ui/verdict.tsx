/** Whether somebody should look at it, in a word, a sign and a colour. */
import type { ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { Badge } from '../../ui/panels';

export type VerdictKind = 'fine' | 'look' | 'unknown';

const TONES = { fine: 'good', look: 'bad', unknown: 'plain' } as const;
const SIGNS: Readonly<Record<VerdictKind, string>> = {
  fine: 'm3 8.5 3.2 3.2L13 5',
  look: 'M8 2.5 14.5 13.5h-13ZM8 6.5v3M8 11.4v.4',
  unknown: 'M8 11.4v.4M5.8 6a2.2 2.2 0 1 1 3.3 1.9c-.8.5-1.1.8-1.1 1.6',
};

export function Verdict(props: { readonly kind: VerdictKind; readonly children?: ReactNode }): ReactNode {
  const { kind, children } = props;
  const t = useOperatorText('verdict');
  return (
    <Badge tone={TONES[kind]}>
      <Sign kind={kind} />
      {children ?? t(kind)}
    </Badge>
  );
}

/** Says nothing to screen readers: a word stands beside it. */
export function Sign({ kind }: { readonly kind: VerdictKind }): ReactNode {
  return (
    <svg className="verdict-sign" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path d={SIGNS[kind]} className="stroke" />
    </svg>
  );
}
