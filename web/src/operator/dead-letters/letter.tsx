/** One dead letter, over the whole width: what is known of it, its headers and its bytes. */
import { useRef, useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import { useOperatorText } from '../../i18n/operator';
import { Button } from '../../ui/button';
import { Notice, type NoticeTone } from '../../ui/panels';
import { useToast } from '../../ui/toast';
import { useReadAnew } from '../data';
import { useFigures } from '../figures';
import { ConfirmDialog } from '../ui/confirm-dialog';
import { DataTable } from '../ui/data-table';
import { Fact, Facts, Id } from '../ui/facts';
import { PageTitle } from '../ui/page-title';
import { Section } from '../ui/section';
import { ServerWords } from '../ui/server-words';
import {
  bytesLeftOut,
  LETTERS,
  redrive,
  shownAs,
  viewsOf,
  type DeadLetter,
  type RawView,
  type Redrive,
} from './data';
import './dead-letters.css';

export function Letter({ letter }: { readonly letter: DeadLetter }): ReactNode {
  const t = useOperatorText('deadLetters');
  return (
    <div className="stack">
      <p>
        <Link to={{ hash: '' }} className="back">
          {t('back')}
        </Link>
      </p>
      <PageTitle title={t('letterTitle')} />
      <About letter={letter} />
      <Headers headers={letter.headers} />
      <Raw letter={letter} />
    </div>
  );
}

function About({ letter }: { readonly letter: DeadLetter }): ReactNode {
  const t = useOperatorText('deadLetters');
  const { stamp, number } = useFigures();
  const readAnew = useReadAnew();
  const [isAsked, setAsked] = useState(false);
  const [outcome, setOutcome] = useState<Redrive | null>(null);
  const { id, source, reason, receivedAt, redrivenAt, rawBytes } = letter;
  const send = async (): Promise<void> => {
    setOutcome(null);
    setOutcome(await redrive(id));
    void readAnew(LETTERS);
  };
  return (
    <Section
      title={t('aboutTitle')}
      actions={
        <Button look="secondary" onClick={() => setAsked(true)}>
          {t('redrive')}
        </Button>
      }
    >
      <div role="status">{outcome && <Outcome outcome={outcome} />}</div>
      <Facts>
        <Fact name={t('reason')}>
          <span lang="en" dir="auto">
            {reason}
          </span>
        </Fact>
        <Fact name={t('source')}>
          <Id>{source}</Id>
        </Fact>
        <Fact name={t('received')}>{stamp(receivedAt)}</Fact>
        <Fact name={t('state')}>
          {redrivenAt === undefined ? t('open') : t('redrivenOn', { time: stamp(redrivenAt) })}
        </Fact>
        <Fact name={t('size')}>{t('bytes', { count: rawBytes, bytes: number(rawBytes) })}</Fact>
        <Fact name={t('id')}>
          <Id>{id}</Id>
        </Fact>
      </Facts>
      <ConfirmDialog
        title={t('redriveTitle')}
        action={t('redrive')}
        look="primary"
        isOpen={isAsked}
        onClose={() => setAsked(false)}
        onConfirm={send}
      >
        <p>{t('redriveBody')}</p>
      </ConfirmDialog>
    </Section>
  );
}

const TONES: Readonly<Record<Redrive['result'], NoticeTone>> = {
  redriven: 'good',
  repeated: 'info',
  refused: 'warn',
};

function Outcome({ outcome: { result, reason } }: { readonly outcome: Redrive }): ReactNode {
  const t = useOperatorText('deadLetters');
  return (
    <Notice tone={TONES[result]} title={t(`outcomes.${result}.title`)}>
      <p>{t(`outcomes.${result}.body`)}</p>
      {reason !== undefined && <ServerWords>{reason}</ServerWords>}
    </Notice>
  );
}

function Headers({ headers }: { readonly headers: DeadLetter['headers'] }): ReactNode {
  const t = useOperatorText('deadLetters');
  return (
    <Section title={t('headersTitle')}>
      <DataTable
        caption={t('headersTitle')}
        isCaptionHidden
        columns={[
          { key: 'name', header: t('headerName'), isName: true, cell: ([name]) => <Id>{name}</Id> },
          { key: 'value', header: t('headerValue'), cell: ([, value]) => <Id>{value}</Id> },
        ]}
        rows={Object.entries(headers)}
        rowKey={([name]) => name}
        empty={t('noHeaders')}
      />
    </Section>
  );
}

function Raw({ letter }: { readonly letter: DeadLetter }): ReactNode {
  const t = useOperatorText('deadLetters');
  const { number } = useFigures();
  const say = useToast();
  const views = viewsOf(letter);
  const place = useRef<HTMLPreElement>(null);
  const [chosen, setChosen] = useState<RawView>('text');
  const view = views.includes(chosen) ? chosen : 'hex';
  const shown = shownAs(letter, view);
  const leftOut = bytesLeftOut(letter);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(shown);
      say(t('copied'));
    } catch {
      // Not on pages that are not secure, and not where it is forbidden: then it is a key press away.
      if (place.current) getSelection()?.selectAllChildren(place.current);
      say(t('selected'));
    }
  };
  return (
    <Section
      title={t('rawTitle')}
      actions={
        <Button look="quiet" className="operator-small" onClick={() => void copy()}>
          {t('copy')}
        </Button>
      }
    >
      <div className="raw-views" role="group" aria-label={t('view')}>
        {views.map((one) => (
          <button key={one} type="button" aria-pressed={one === view} onClick={() => setChosen(one)}>
            {t(`views.${one}`)}
          </button>
        ))}
      </div>
      {letter.text === undefined && letter.rawBytes > 0 && <p className="soft small">{t('noText')}</p>}
      {letter.rawBytes === 0 ? (
        <p className="operator-empty soft">{t('noBytes')}</p>
      ) : (
        <pre
          ref={place}
          className={view === 'hex' ? 'raw raw-hex' : 'raw'}
          // Scrolled with the keyboard too.
          tabIndex={0}
          role="region"
          aria-label={t('rawTitle')}
          dir="ltr"
          lang=""
        >
          {shown}
        </pre>
      )}
      {leftOut > 0 && (
        <p className="soft small">{t('leftOut', { count: leftOut, bytes: number(leftOut) })}</p>
      )}
    </Section>
  );
}
