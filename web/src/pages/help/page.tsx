/** How buying works, what the messages mean, and whom to ask. Readable without JavaScript. */
import { lazy, Suspense, type ReactNode } from 'react';
import { Link } from 'react-router';
import { useHydrated } from '../../app/environment';
import { Head } from '../../app/head';
import { useText } from '../../i18n/locale';
import { ErrorBoundary } from '../../ui/error-boundary';
import { Card } from '../../ui/panels';
import './help.css';

const STEPS = ['choose', 'hold', 'pay', 'tickets'] as const;
const QUESTIONS = [
  'held',
  'declined',
  'bank',
  'late',
  'unknown',
  'refund',
  'transfer',
  'gate',
  'guest',
  'privacy',
] as const;
const MESSAGES = [
  'sold_out',
  'temporarily_unavailable',
  'purchase_limit',
  'hold_expired',
  'payment_declined',
  'email_unconfirmed',
  'waiting_room',
  'not_on_sale',
  'overloaded',
  'rate_limited',
  'blocked',
  'outcome_unknown',
] as const;

const Setting = lazy(() => import('../../visit/setting'));

export default function HelpPage(): ReactNode {
  const t = useText('help');
  const pages = useText('pages');
  const problems = useText('problems');
  return (
    <div className="help stack">
      <Head title={pages('help')} description={t('description')} />
      <h1>{pages('help')}</h1>
      <section className="stack" aria-labelledby="how">
        <h2 id="how">{t('howTitle')}</h2>
        <ol className="steps">
          {STEPS.map((step) => (
            <li key={step}>
              <Card>
                <h3>{t(`steps.${step}.title`)}</h3>
                <p>{t(`steps.${step}.body`)}</p>
              </Card>
            </li>
          ))}
        </ol>
      </section>
      <section className="stack" aria-labelledby="questions">
        <h2 id="questions">{t('questionsTitle')}</h2>
        {QUESTIONS.map((question) => (
          <details key={question} className="card">
            <summary>{t(`questions.${question}.title`)}</summary>
            <p>{t(`questions.${question}.body`)}</p>
          </details>
        ))}
      </section>
      <RecordingSetting />
      <section className="stack" aria-labelledby="messages">
        <h2 id="messages">{t('messagesTitle')}</h2>
        <dl className="messages">
          {MESSAGES.map((message) => (
            <div key={message}>
              <dt>{problems(`${message}.title`)}</dt>
              <dd>{problems(`${message}.body`)}</dd>
            </div>
          ))}
        </dl>
      </section>
      <section className="stack" aria-labelledby="contact">
        <h2 id="contact">{t('contactTitle')}</h2>
        <p>{t('contactBody')}</p>
        <p>{t('contactHave')}</p>
        <p>
          <Link to="/lookup">{pages('lookup')}</Link>
        </p>
      </section>
    </div>
  );
}

/** What it says and does is the browser's own. */
function RecordingSetting(): ReactNode {
  const isHydrated = useHydrated();
  return (
    <div id="recording">
      {isHydrated && (
        <ErrorBoundary fallback={null}>
          <Suspense fallback={null}>
            <Setting />
          </Suspense>
        </ErrorBoundary>
      )}
    </div>
  );
}
