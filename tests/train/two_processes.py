"""What tests/train/test_parallel.py runs by torchrun: some steps in each process; the first writes the weights. A run
that was killed goes on.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from simple_trt.data.coco import read_coco
from simple_trt.data.dataset import PoseDataset
from simple_trt.data.transforms import Augmentation
from simple_trt.models.simple import Maps
from simple_trt.skeletons import COCO
from simple_trt.train.config import TrainConfig
from simple_trt.train.learners import PointLearner
from simple_trt.train.parallel import join_processes
from simple_trt.train.trainer import Trainer


class Net(nn.Module):
    """Image -> Maps with a batch norm, whose statistics are the hard part."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 26, 3, 2, 1)
        )

    def forward(self, image):
        return Maps(*self.trunk(image).split((3, 6, 17), 1))


def main(folder, out, batch, sync_bn):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    processes = join_processes("cpu")
    config = TrainConfig(
        epochs=2,
        batch=batch,
        lr=1e-2,
        clip=1.0,
        ema=0.9,
        workers=0,
        save_every=1,
        sync_bn=sync_bn,
        tensorboard=False,
        augmentation=Augmentation(size=64),
    )
    dataset = PoseDataset(read_coco(folder / "a.json", folder), config.augmentation, COCO)
    learner = PointLearner(Net(), processes=processes)
    trainer = Trainer(learner, dataset, config, out, processes=processes)
    trainer.resume()
    trained = trainer.run(progress=False)
    if processes.first:
        save_file({k: v.contiguous() for k, v in trained.state_dict().items()}, out / "weights.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "sync")
