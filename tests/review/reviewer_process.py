"""A reviewer as a process of its own: takes frames from the server and decides on them, and writes down what it saw.

It knows nothing of restarts but what the page's script knows: what was not answered is sent again under the same name.
"""

import json
import sys
import time
import uuid
from datetime import UTC, datetime

import requests


def main() -> None:
    url, reviewer, wanted, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    http = requests.Session()
    word = ""

    def ask(path: str, body: dict) -> dict:
        nonlocal word
        while True:
            try:
                answer = http.post(f"{url}/api/{path}", json=body, headers={"X-Deepfield": word}, timeout=30)
                if answer.status_code == 403:
                    word = http.get(f"{url}/api/session", timeout=30).json()["session"]
                elif answer.ok:
                    return answer.json()
            except (requests.RequestException, ValueError):
                time.sleep(0.1)

    known = {"reviewer": reviewer, "since": datetime.now(UTC).isoformat()}
    hand: list[str] = []
    with open(out, "w") as log:  # noqa: PTH123
        decided = 0
        reply = ask("take", known | {"count": 4})
        while decided < wanted:
            for card in reply["items"]:
                hand.append(card["image_id"])
                log.write(json.dumps({"shown": card["image_id"], "at": time.time()}) + "\n")
            if not hand:
                sys.exit("Nothing was handed out.")
            image_id = hand.pop(0)
            action = "accept" if int(image_id[-1], 16) % 2 else "reject"
            body = {"request_id": uuid.uuid4().hex, "action": action, "image_ids": [image_id], "seconds": 0.1}
            pressed = time.time()
            reply = ask("say", known | body | {"count": max(0, 4 - len(hand)), "in_view": hand})
            assert reply["refused"] == {}, reply
            # it left the view when it was decided, before the answer came
            log.write(json.dumps({"decided": image_id, "at": pressed, "action": action}) + "\n")
            decided += 1
        for image_id in hand:
            log.write(json.dumps({"released": image_id, "at": time.time()}) + "\n")
        ask("release", {"reviewer": reviewer})


if __name__ == "__main__":
    main()
