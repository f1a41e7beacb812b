// Draws window.preview: a dashboard's JSON and the results of its queries.
import '@fontsource/inter/latin-400.css';
import '@fontsource/inter/latin-500.css';
import { ThemeContext } from '@grafana/data';
import { GlobalStyles } from '@grafana/ui';
import { createRoot } from 'react-dom/client';

import { theme } from './fields';
import { Page } from './Page';

async function draw(place: HTMLElement): Promise<void> {
  // Widths of texts are measured once: with the font that they will have.
  await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 14px Inter`)));
  createRoot(place).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Page inputs={window.preview} />
    </ThemeContext.Provider>
  );
}

const root = document.getElementById('root');
if (!root) {
  throw new Error('The page has no element called root');
}
void draw(root);
