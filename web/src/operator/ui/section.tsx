/** A part of a page that is read from the API: its heading, how old it is, and what to show while it is not there. */
import { useId, type ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { Button } from '../../ui/button';
import { ErrorPanel } from '../../ui/panels';
import { Spinner } from '../../ui/spinner';
import type { Read } from '../data';
import { useFigures } from '../figures';

export interface SectionProps {
  readonly title: string;
  /** What the section is about, in a sentence. */
  readonly about?: ReactNode;
  /** `useRead`'s answer; absent for a section that reads nothing. */
  readonly read?: Pick<Read<unknown>, 'data' | 'problem' | 'readAt' | 'isReading' | 'isOfBefore' | 'refresh'>;
  /** As the server says, instead of when it was read. Milliseconds since 1970, or ISO. */
  readonly asOf?: number | string | undefined;
  /** Beside the heading. */
  readonly actions?: ReactNode;
  /** Shown once there is an answer, the old one too while a newer fails. */
  readonly children: ReactNode;
}

export function Section({ title, about, read, asOf, actions, children }: SectionProps): ReactNode {
  const id = useId();
  const t = useOperatorText('table');
  const figures = useFigures();
  const at = asOf ?? (read && read.readAt > 0 ? read.readAt : undefined);
  return (
    <section className="operator-section" aria-labelledby={id} aria-busy={read?.isOfBefore === true}>
      <div className="operator-section-head">
        <h2 id={id}>{title}</h2>
        {read && at !== undefined && (
          <span className="soft small" title={figures.stamp(at)}>
            {t('asOf', { time: figures.clock(new Date(at).getTime()) })}
          </span>
        )}
        <div className="operator-section-actions">
          {actions}
          {read && (
            <Button
              look="quiet"
              onClick={read.refresh}
              aria-label={t('refreshOf', { title })}
              className="operator-small"
            >
              {t('refresh')}
            </Button>
          )}
        </div>
      </div>
      {about !== undefined && <p className="soft operator-about">{about}</p>}
      {read?.problem && <ErrorPanel problem={read.problem} retry={read.refresh} />}
      {read?.data === null ? !read.problem && <Spinner label={t('loading')} /> : children}
    </section>
  );
}
