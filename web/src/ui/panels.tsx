/** Boxes: cards, what to say when there is nothing, and what to say when something failed. */
import type { HTMLAttributes, ReactNode } from 'react';
import type { ApiProblem } from '../api/problem';
import { useText } from '../i18n/locale';
import { Button } from './button';
import { problemTextKey } from './problem-text';

export function Card({ className = '', ...rest }: HTMLAttributes<HTMLDivElement>): ReactNode {
  return <div {...rest} className={`card ${className}`} />;
}

export type BadgeTone = 'good' | 'warn' | 'wait' | 'bad' | 'plain';

/** A word or two about a state; the colour only repeats what the word says. */
export function Badge({
  tone = 'plain',
  children,
}: {
  readonly tone?: BadgeTone;
  readonly children: ReactNode;
}): ReactNode {
  return <span className={`badge badge-${tone}`}>{children}</span>;
}

export function EmptyState(props: {
  readonly title: string;
  readonly body?: ReactNode;
  readonly children?: ReactNode;
  /** The page is about nothing else. */
  readonly isPage?: boolean;
}): ReactNode {
  const Heading = props.isPage === true ? 'h1' : 'h2';
  return (
    <div className="empty">
      <Heading className="empty-title">{props.title}</Heading>
      {props.body !== undefined && <p>{props.body}</p>}
      {props.children}
    </div>
  );
}

export type NoticeTone = 'info' | 'good' | 'warn' | 'bad';

/** `isUrgent`: read out at once. */
export function Notice(props: {
  readonly tone?: NoticeTone;
  readonly title?: string;
  readonly isUrgent?: boolean;
  readonly children?: ReactNode;
}): ReactNode {
  const { tone = 'info', title, isUrgent = false, children } = props;
  return (
    <div className={`notice notice-${tone}`} role={isUrgent ? 'alert' : undefined}>
      {title !== undefined && <p className="notice-title">{title}</p>}
      {children}
    </div>
  );
}

/** What happened, in words a person understands, and what to do next. */
export function ErrorPanel(props: {
  readonly problem: ApiProblem;
  readonly retry?: () => void;
  readonly children?: ReactNode;
}): ReactNode {
  const { problem, retry, children } = props;
  const t = useText('problems');
  const common = useText('common');
  const key = problemTextKey(problem);
  const seconds = problem.retryAfterMs === undefined ? 0 : Math.ceil(problem.retryAfterMs / 1_000);
  return (
    <Notice tone="bad" title={t(`${key}.title`)} isUrgent>
      <p>{t(`${key}.body`)}</p>
      {seconds > 2 && <p>{t('waitSeconds', { seconds })}</p>}
      {children}
      {retry && (
        <p>
          <Button look="secondary" onClick={retry}>
            {common('retry')}
          </Button>
        </p>
      )}
    </Notice>
  );
}
