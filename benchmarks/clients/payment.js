// The payment of payment.yml for k6: the same bodies and the same two checks.
import http from "k6/http";
import { check } from "k6";

const ACCOUNTS = ["test-account-1", "test-account-2", "test-account-3", "test-account-4"];
const URL = `${__ENV.BENCH_URL}/api/v1/transactions`;
const OPTIONS = { headers: { "Content-Type": "application/json", Authorization: "Bearer test-token" } };

export const options = {
  discardResponseBodies: __ENV.DISCARD === "true",
  scenarios: {
    payment: {
      executor: "constant-arrival-rate",
      rate: Number(__ENV.RATE),
      timeUnit: "1s",
      duration: __ENV.DURATION,
      // Answers take about a millisecond, so two would be enough; fifty allow for a pause of 25 ms at 2,000/s.
      preAllocatedVUs: 50,
      maxVUs: 500,
    },
  },
};

export default function () {
  const account = ACCOUNTS[Math.floor(Math.random() * ACCOUNTS.length)];
  const body = `{"fromAccountId":"${account}","toAccountId":"test-account-9","paymentTypeId":"test-payment-type","amount":100.00,"currencyCode":"USD","description":"Load test transaction"}`;
  check(http.post(URL, body, OPTIONS), {
    "status is 201": (answer) => answer.status === 201,
    "response time < 2s": (answer) => answer.timings.duration < 2000,
  });
}
