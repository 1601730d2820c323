import torch
from torch import nn

from benchmarks.torch_model import fold_batch_norm


class Net(nn.Module):
    """Two convolutions with their batch norms, and a batch norm that follows no convolution."""

    def __init__(self):
        super().__init__()
        self.alone = nn.BatchNorm2d(3)
        self.pair = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.conv, self.norm = nn.Conv2d(4, 5, 1), nn.BatchNorm2d(5)

    def forward(self, x):
        return self.norm(self.conv(self.pair(self.alone(x))))


def test_folding_keeps_the_function_and_leaves_other_batch_norms_alone():
    torch.manual_seed(0)
    net = Net()
    image = torch.randn(1, 3, 12, 12)
    for norm in (net.alone, net.pair[1], net.norm):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    net.eval()
    expected = net(image)
    assert fold_batch_norm(net, image) == 2
    assert isinstance(net.norm, nn.Identity)
    assert isinstance(net.alone, nn.BatchNorm2d)
    assert torch.allclose(net(image), expected, atol=1e-5)
