// k6 Load Test for 2000 TPS
import http from 'k6/http';
import { check, sleep } from 'k6';

export let options = {
  stages: [
    { duration: '2m', target: 100 },   // Ramp up to 100 TPS
    { duration: '5m', target: 100 },   // Stay at 100 TPS
    { duration: '2m', target: 500 },   // Ramp up to 500 TPS
    { duration: '5m', target: 500 },   // Stay at 500 TPS
    { duration: '2m', target: 1000 },  // Ramp up to 1000 TPS
    { duration: '5m', target: 1000 },  // Stay at 1000 TPS
    { duration: '2m', target: 2000 },  // Ramp up to 2000 TPS
    { duration: '10m', target: 2000 }, // Stay at 2000 TPS
    { duration: '2m', target: 0 },     // Ramp down
  ],
  thresholds: {
    http_req_duration: ['p(95)<2000'], // 95% of requests under 2s
    http_req_failed: ['rate<0.01'],    // Error rate under 1%
  },
};

export default function() {
  let payload = JSON.stringify({
    fromAccountId: 'test-account-1',
    toAccountId: 'test-account-2',
    paymentTypeId: 'test-payment-type',
    amount: 100.00,
    currencyCode: 'USD',
    description: 'Load test transaction'
  });

  let params = {
    headers: {
      'Content-Type': 'application/json',
      'Authorization': 'Bearer test-token',
    },
  };

  let response = http.post('http://payment-engine/api/v1/transactions', payload, params);
  
  check(response, {
    'status is 201': (r) => r.status === 201,
    'response time < 2s': (r) => r.timings.duration < 2000,
  });
  
  sleep(1);
}
