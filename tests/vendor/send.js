// Sends batches with the vendor's client for Node.js, and prints what the client made of the answer.
// Asked by a line of JSON on standard input: {url, key, secret, bulk, batches: [{customer, mpid, now, visit, members}]}.
'use strict';

const mParticle = require('mparticle');
const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'));

function visit(batch, now) {
  const start = new mParticle.SessionStartEvent();
  start.session_uuid = 's-1';
  start.timestamp_unixtime_ms = now - 4000;
  batch.addEvent(start);
  const screen = new mParticle.ScreenViewEvent();
  screen.screen_name = 'Home';
  screen.timestamp_unixtime_ms = now - 3000;
  batch.addEvent(screen);
  const event = new mParticle.AppEvent(mParticle.AppEvent.CustomEventType.search, 'Searched');
  event.timestamp_unixtime_ms = now - 2000;
  event.source_message_id = 'm-1';
  event.custom_attributes = {for: 'tea', n: null};
  event.custom_flags = {foo: 'bar', answer: 42, arrays: ['foo', 'bar']};
  batch.addEvent(event);
  const product = new mParticle.Product();
  product.id = 'sku';
  product.name = 'Example';
  product.price = 19.99;
  const action = new mParticle.ProductAction('purchase');
  action.products = [product];
  action.total_amount = 21.49;
  const commerce = new mParticle.CommerceEvent();
  commerce.product_action = action;
  commerce.timestamp_unixtime_ms = now - 1000;
  batch.addEvent(commerce);
  const end = new mParticle.SessionEndEvent();
  end.session_uuid = 's-1';
  end.session_duration_ms = 4000;
  end.timestamp_unixtime_ms = now - 100;
  batch.addEvent(end);
  const device = new mParticle.DeviceInformation();
  device.platform = mParticle.DeviceInformation.Platform.iOS;
  device.ios_advertising_id = '07d2ebaa-e956-407e-a1e6-f05f871bf4e2';
  device.os_version = '17.1';
  batch.device_info = device;
  batch.mp_deviceid = '59780f39-d7a0-4ebe-9950-280f937c29e2';
  const consents = new mParticle.ConsentState();
  consents.gdpr = {marketing: new mParticle.GDPRConsentState('v4', true, now - 9000, 'shop', 'device')};
  consents.ccpa = {data_sale_opt_out: new mParticle.CCPAConsentState('v1', false, now - 9000, 'shop', 'device')};
  batch.consent_state = consents;
}

const batches = asked.batches.map((one) => {
  const batch = new mParticle.Batch(mParticle.Batch.Environment.production);
  if (one.customer) {
    batch.user_identities = new mParticle.UserIdentities();
    batch.user_identities.customerid = one.customer;
    batch.user_identities.email = `${one.customer}@example.com`;
  }
  if (one.visit) visit(batch, one.now);
  return Object.assign(batch, one.members);
});

const api = new mParticle.EventsApi(new mParticle.Configuration(asked.key, asked.secret));
api.apiClient.basePath = asked.url;
const send = asked.bulk ? (done) => api.bulkUploadEvents(batches, done) : (done) => api.uploadEvents(batches[0], done);
send((error, data, response) => {
  const status = response ? response.status : error && error.status;
  const body = response ? response.body : null;
  process.stdout.write(JSON.stringify({error: error ? error.message : null, data: data || null, status, body}));
});
