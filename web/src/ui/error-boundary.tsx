/** A page that fails says so and offers a way on, instead of a white screen. */
import { Component, type ReactNode } from 'react';
import { useText } from '../i18n/locale';
import { Button } from './button';

interface Props {
  readonly children: ReactNode;
  /** In place of what failed, where the page can do without it. */
  readonly fallback?: ReactNode;
}

export class ErrorBoundary extends Component<Props, { readonly failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    const { children, fallback = <Crash /> } = this.props;
    return this.state.failed ? fallback : children;
  }
}

function Crash(): ReactNode {
  const t = useText('crash');
  return (
    <div className="empty" role="alert">
      <h1 className="empty-title">{t('title')}</h1>
      <p>{t('body')}</p>
      <Button onClick={() => location.reload()}>{t('action')}</Button>
    </div>
  );
}
