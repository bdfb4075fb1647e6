"""A result as JSON."""

import json

import torch

from torch_afm.config import Tip
from torch_afm.data import AFMData
from torch_afm.prediction import RefinementResult
from torch_afm.prediction.refinement.scanner import Scanner
from torch_afm.testing import water


def test_to_dict_is_json_and_says_it_all():
    context = AFMData.empty()
    context.sigma = torch.empty(0, 3)
    start = water()
    result = RefinementResult(
        data=water(),
        context=context,
        added=context,
        start=start,
        accepted=False,
        reason="because",
        loss_before=1.0,
        loss_after=0.9,
        objective=(3.0, 2.0),
        trajectory=torch.stack([start.pos, start.pos + 1]),
        sigma=torch.full((3, 3), 0.25),
        residual=torch.zeros(2, 4, 4),
        tip=Tip(tilt=(0.1, 0.0)),
        z_top=8.0,
        scanner=Scanner((1.1, 0.9), 0.01),
        starts=1,
    )
    told = json.loads(json.dumps(result.to_dict()))
    assert [a["element"] for a in told["atoms"]] == ["O", "H", "H"]
    assert told["atoms"][1]["sigma"] == [0.25] * 3 and told["context"] == told["added"] == []
    assert told["tip"]["tilt"] == [0.1, 0.0] and told["objective"] == [3.0, 2.0]
    assert told["scanner"] == {"scale": [1.1, 0.9], "shear": 0.01}
    assert len(told["trajectory"]) == 2 and not told["accepted"]
