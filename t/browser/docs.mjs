// Opens the docs page in a real browser, and places an order with it.
//
// Usage: node docs.mjs CHROMIUM BASE_URL PRODUCT_ID [SCREENSHOT]
//
// Prints what happened as one JSON object: what the page showed, what the browser complained of, and
// every request that it made. Judging is t/browser/docs.t's.
import { chromium } from 'playwright-core';

const [executablePath, base, productId, screenshot] = process.argv.slice(2);
const seen = { console: [], requests: [], blocked: [], failed: [] };

const browser = await chromium.launch({
  executablePath,
  // No sandbox within a container, where root has no user namespaces to build one of. The page is ours.
  args: [...(process.getuid() === 0 ? ['--no-sandbox'] : []), '--disable-dev-shm-usage'],
});
try {
  const context = await browser.newContext({ serviceWorkers: 'block' });
  await context.route(
    (url) => url.protocol !== 'data:' && url.origin !== base,
    (route) => {
      seen.blocked.push(route.request().url());
      return route.abort();
    },
  );
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) seen.console.push(message.text());
  });
  page.on('pageerror', (error) => seen.console.push(String(error)));
  page.on('request', (request) => seen.requests.push(`${request.method()} ${request.url().slice(0, 200)}`));
  page.on('requestfailed', (request) => seen.failed.push(request.url().slice(0, 200)));
  await page.addInitScript(() => {
    window.addEventListener('securitypolicyviolation', (event) => {
      console.error(`content security policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });

  const answer = await page.goto(`${base}/docs/`);
  seen.status = answer.status();
  seen.headers = answer.headers();
  await page.locator('.opblock').first().waitFor();
  seen.title = await page.title();
  seen.heading = (await page.locator('.info .title').first().innerText()).trim();
  seen.operations = await page.locator('.opblock-summary-path').evaluateAll((all) =>
    all.map((path) => path.closest('.opblock-summary').querySelector('.opblock-summary-method').innerText + ' ' + path.dataset.path));

  const order = page.locator('#operations-orders-createOrder');
  await order.locator('.opblock-summary-control').click();
  const body = order.locator('textarea.body-param__text');
  await body.waitFor();
  seen.example = await body.inputValue();
  seen.parameters = await order.locator('tr[data-param-name]').evaluateAll((rows) =>
    rows.map((row) => [row.dataset.paramName, row.querySelector('input').value]));
  await order.locator('tr[data-param-name="X-Request-Id"] input').fill('from-the-browser');
  await body.fill(JSON.stringify({ productId: Number(productId), quantity: 2 }));
  const [response] = await Promise.all([
    page.waitForResponse((one) => one.url() === `${base}/orders`),
    order.locator('button.execute').click(),
  ]);
  seen.order = { status: response.status(), headers: response.headers(), body: await response.text() };
  const live = order.locator('.live-responses-table');
  await live.waitFor();
  seen.shown = {
    status: (await live.locator('.response-col_status').last().innerText()).trim(),
    text: await live.innerText(),
  };

  // A request that the gateway refuses: the page shows the error as it is.
  await body.fill(JSON.stringify({ productId: Number(productId), quantity: 0 }));
  const expected = seen.console.length;
  await Promise.all([
    page.waitForResponse((one) => one.url() === `${base}/orders` && one.status() === 400),
    order.locator('button.execute').click(),
  ]);
  await live.getByText('must be >= 1').first().waitFor();
  // The browser itself notes every answer from 400 up in the console.
  seen.console = seen.console.filter((line, index) => index < expected || !/status of 400/.test(line));

  const read = page.locator('#operations-orders-getOrder');
  await read.locator('.opblock-summary-control').click();
  await read.locator('tr.response').first().waitFor();
  seen.responses = await read.locator('tr.response').evaluateAll((rows) => rows.map((row) => row.dataset.code));

  if (screenshot) await page.screenshot({ path: screenshot, fullPage: true });
} finally {
  await browser.close();
  console.log(JSON.stringify(seen));
}
